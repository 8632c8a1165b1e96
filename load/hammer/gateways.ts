import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import type { Protections } from '../../cache/protections.ts';
import { freePort } from '../../test/support/free-port.ts';
import { startNode } from '../../test/support/process.ts';
import type { HammeredHost } from './deployer.ts';
import { sharedNowMs, type Oracle } from './oracle.ts';
import { stopProcess } from './stop-process.ts';

/** Concurrent clients of each gateway. */
const CLIENTS = 8;
const LONGEST_PAUSE_MS = 20;

export type HammeredGateway = { close(): Promise<void> };

export type GatewayOptions = {
  index: number;
  hosts: readonly HammeredHost[];
  env: Readonly<Record<string, string>>;
  /** Undefined: `gateway/main.ts` as it is in production. */
  protections: Protections | undefined;
};

/** A gateway in a process of its own, and clients that ask it without pause which build each host shows. */
export async function startGateway(oracle: Oracle, options: GatewayOptions): Promise<HammeredGateway> {
  const { index, hosts, protections } = options;
  const [port, adminPort] = await Promise.all([freePort(), freePort()]);
  const env = {
    GATEWAY_HOST: '127.0.0.1',
    GATEWAY_PORT: String(port),
    GATEWAY_ADMIN_PORT: String(adminPort),
    GATEWAY_INSTANCE: `gateway-${index}`,
    RUNNER_URL: 'http://127.0.0.1:9',
    ACCESS_LOG: 'false',
    ...options.env,
  };
  const program =
    protections === undefined
      ? startNode('gateway/main.ts', { env })
      : startNode('load/hammer/gateway-process.ts', { env, args: [JSON.stringify(protections)] });
  await program.waitFor(/"msg":"gateway listens"/);
  const stopAsking = startClients(oracle, { index, hosts, port });
  return {
    close: async () => {
      await stopAsking();
      await stopProcess(program);
    },
  };
}

type Asked = { index: number; hosts: readonly HammeredHost[]; port: number };

function startClients(oracle: Oracle, { index, hosts, port }: Asked): () => Promise<void> {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: CLIENTS });
  const state = { isOver: false };
  const client = async (): Promise<void> => {
    while (!state.isOver) {
      const host = Math.floor(Math.random() * hosts.length);
      const startedAtMs = sharedNowMs();
      const { rev, isLastKnownGood } = await ask(pool, hosts[host]?.name ?? '');
      if (!state.isOver || rev !== -2)
        oracle.judge({ gateway: index, host, rev, startedAtMs, isLastKnownGood });
      // Now and then a pause, so that clients run apart.
      if (Math.random() < 0.5) await sleep(Math.random() * LONGEST_PAUSE_MS);
    }
  };
  const clients = Array.from({ length: CLIENTS }, client);
  return async () => {
    state.isOver = true;
    await Promise.all(clients);
    await pool.close();
  };
}

type Answered = { rev: number; isLastKnownGood: boolean };

/** The file tells its build; 404 is "no such site", and everything else a failure. */
async function ask(pool: Pool, host: string): Promise<Answered> {
  try {
    const reply = await pool.request({ path: '/build.txt', method: 'GET', headers: { host } });
    const text = await reply.body.text();
    const isLastKnownGood = /last-known-good/.test(String(reply.headers['cache-status']));
    const isBuild = reply.statusCode === 200 && /^\d+$/.test(text);
    return { rev: isBuild ? Number(text) : reply.statusCode === 404 ? -1 : -2, isLastKnownGood };
  } catch {
    return { rev: -2, isLastKnownGood: false };
  }
}
