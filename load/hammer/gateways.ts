import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { messageOf } from '../../core/errors.ts';
import type { Protections } from '../../cache/protections.ts';
import { startNode } from '../../test/support/process.ts';
import type { HammeredHost } from './hosts.ts';
import { sharedNowMs, type Observation, type Oracle } from './oracle.ts';
import { stopProcess } from './stop-process.ts';
import { scrape, sumOf } from '../support/scrape.ts';

/** Concurrent clients of each gateway. */
const CLIENTS = 8;
const LONGEST_PAUSE_MS = 20;

export type Failures = { ofCache: number; ofControlApi: number };

export type HammeredGateway = {
  /** Whether it uses the cache and holds its lease. */
  isWell(): Promise<boolean>;
  /** Look-ups of domains that the cache did not answer, and loads of them that failed, since the start. */
  failures(): Promise<Failures>;
  close(): Promise<void>;
};

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
  const env = {
    GATEWAY_HOST: '127.0.0.1',
    GATEWAY_PORT: '0',
    GATEWAY_ADMIN_PORT: '0',
    GATEWAY_INSTANCE: `gateway-${index}`,
    RUNNER_URL: 'http://127.0.0.1:9',
    ACCESS_LOG: 'false',
    ...options.env,
  };
  const program =
    protections === undefined
      ? startNode('gateway/main.ts', { env })
      : startNode('load/hammer/gateway-process.ts', { env, args: [JSON.stringify(protections)] });
  const [line] = await program.waitFor(/^.*"msg":"gateway listens".*$/m);
  const { port, adminPort } = JSON.parse(line) as { port: number; adminPort: number };
  const stopAsking = startClients(oracle, { index, hosts, port });
  const adminUrl = `http://127.0.0.1:${adminPort}`;
  return {
    isWell: async () => {
      const samples = await scrape(adminUrl);
      return sumOf(samples, 'cache_up', {}) === 1 && sumOf(samples, 'cache_lease_held', {}) === 1;
    },
    failures: async () => {
      const samples = await scrape(adminUrl);
      return {
        ofCache: sumOf(samples, 'cache_lookups_total', { family: 'domain', outcome: 'error' }),
        ofControlApi: sumOf(samples, 'cache_loads_total', { family: 'domain', outcome: 'failed' }),
      };
    },
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
      const name = hosts[host]?.name ?? '';
      const { rev, isLastKnownGood, problem } = await ask(pool, name);
      if (!state.isOver || problem === undefined)
        oracle.judge({ gateway: index, host, rev, startedAtMs, isLastKnownGood, problem });
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

type Answered = Pick<Observation, 'rev' | 'isLastKnownGood' | 'problem'>;

/** The file tells its build; 404 is "no such site", and everything else a failure. */
async function ask(pool: Pool, host: string): Promise<Answered> {
  try {
    const reply = await pool.request({ path: '/build.txt', method: 'GET', headers: { host } });
    const text = await reply.body.text();
    const isLastKnownGood = /last-known-good/.test(String(reply.headers['cache-status']));
    if (reply.statusCode === 404) return { rev: -1, isLastKnownGood, problem: undefined };
    if (reply.statusCode === 200 && /^\d+$/.test(text)) {
      return { rev: Number(text), isLastKnownGood, problem: undefined };
    }
    return { rev: -2, isLastKnownGood, problem: `${host}: ${reply.statusCode} ${text.slice(0, 200)}` };
  } catch (error) {
    return { rev: -2, isLastKnownGood: false, problem: `${host}: ${messageOf(error)}` };
  }
}
