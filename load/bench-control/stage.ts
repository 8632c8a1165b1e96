import { Pool } from 'undici';
import type { FlipResult } from '../../contracts/control-api.ts';
import { adminPaths } from '../../contracts/control-api-admin.ts';
import { startCacheServer } from '../../test/support/cache-server.ts';
import { talkTo, type Reply } from '../../test/support/control-api.ts';
import { deployFolder } from '../../test/support/deploy-folder.ts';
import { startPostgres } from '../../test/support/postgres.ts';
import { startNode, type StartedProcess } from '../../test/support/process.ts';
import { startSystem, type System } from '../../test/support/system.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { scrape, sumOf } from '../support/scrape.ts';

export const PROJECT = 'bench';
export const HOST = 'bench.example';
export const GATEWAYS = 3;
const PAGES = 200;

/** A control API as its clients meet it, and the port on which it counts. */
export type MeasuredApi = { url: string; adminUrl: string; pool: Pool };

export type Stage = {
  system: System;
  cacheUrl: string;
  /** The same control API twice, on one database: with the cache server, and with the cache switched off. */
  cached: MeasuredApi;
  uncached: MeasuredApi;
  /** Two builds of one site, the second one shown. */
  builds: [FlipResult, FlipResult];
  /** Of somebody who is a member of the project's organization and nothing more. */
  memberToken: string;
  send: (method: string, path: string, body?: unknown) => Promise<Reply>;
  close(): Promise<void>;
};

/** Postgres, Redis, control APIs, a runner and three gateways, each a process of its own on the loopback interface. */
export async function setStage(): Promise<Stage> {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.toReversed()) await closer();
  };
  try {
    const [cache, database] = await Promise.all([startCacheServer({ kind: 'redis' }), startPostgres()]);
    closers.push(
      () => cache.close(),
      () => database.close(),
    );
    const env = { CACHE_URL: cache.url, DATABASE_URL: await database.createDatabase(), ACCESS_LOG: 'false' };
    const system = await startSystem({ gateways: GATEWAYS, env });
    closers.push(() => system.close());
    await Promise.all(system.gateways.map(({ adminUrl }) => waitUntil(() => holdsLease(adminUrl))));
    const cached = measured(readyMessage(system.controlApi.process()));
    const uncached = measured(await startUncached(system, closers));
    closers.push(
      () => cached.pool.close(),
      () => uncached.pool.close(),
    );
    const send: Stage['send'] = (method, path, body) =>
      talkTo(system.controlApi.url).send(method, path, body, system.token);
    const builds: [FlipResult, FlipResult] = [await deploy(system, 1), await deploy(system, 2)];
    const memberToken = await makeMember(send);
    return { system, cacheUrl: cache.url, cached, uncached, builds, memberToken, send, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Only a gateway that does is waited for by a flip. */
async function holdsLease(adminUrl: string): Promise<boolean> {
  return sumOf(await scrape(adminUrl), 'cache_lease_held', {}) === 1;
}

type Addresses = { url: string; adminUrl: string };

function measured({ url, adminUrl }: Addresses): MeasuredApi {
  return { url, adminUrl, pool: new Pool(url, { connections: 1 }) };
}

function readyMessage(program: StartedProcess): Addresses {
  const output = program.stdout() + program.stderr();
  const [, url = '', adminPort = ''] = /"url":"([^"]+)","adminPort":(\d+)/.exec(output) ?? [];
  return { url, adminUrl: `http://127.0.0.1:${adminPort}` };
}

async function startUncached(system: System, closers: (() => Promise<unknown>)[]): Promise<Addresses> {
  const ports = { CONTROL_API_PORT: '0', CONTROL_API_ADMIN_PORT: '0' };
  const program = startNode('control-api/main.ts', {
    env: { ...system.env, ...ports, CACHE_ENABLED: 'false' },
  });
  closers.push(() => program.stop());
  await program.waitFor(/the control API is ready/);
  return readyMessage(program);
}

async function deploy({ controlApi, token }: System, build: number): Promise<FlipResult> {
  const pages = Array.from({ length: PAGES }, (_, index) => [
    `page-${index}.html`,
    `build ${build}, ${index}`,
  ]);
  const files = { 'index.html': `build ${build}`, ...(Object.fromEntries(pages) as Record<string, string>) };
  const deployed = await deployFolder({ apiUrl: controlApi.url, token, files, host: HOST, project: PROJECT });
  return deployed.result;
}

async function makeMember(send: Stage['send']): Promise<string> {
  await send('POST', adminPaths.users(), { name: 'member' });
  await send('PUT', adminPaths.member('default', 'member'), { role: 'member' });
  const { body } = await send('POST', adminPaths.tokens(), { name: 'bench', user: 'member' });
  return body.token;
}
