import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { keys } from '../../cache/keys.ts';
import { apiPaths, type Deployment, type FlipResult } from '../../contracts/control-api.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import {
  askConfig,
  connectCache,
  deploy,
  manifestOf,
  startTestControlApi,
  upload,
  type File,
  type TestControlApi,
} from '../support/control-api.ts';
import { startPostgres, type PostgresServer } from '../support/postgres.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const HOST = 'www.busy.example';
const DEPLOYS = 50;

let postgres: PostgresServer;
let cacheServer: CacheServer;
let dir: TempDir;
const caches: Cache[] = [];
const gateways: Cache[] = [];
const apis: TestControlApi[] = [];

beforeAll(async () => {
  [postgres, cacheServer, dir] = await Promise.all([
    startPostgres(),
    startCacheServer(),
    makeTempDir('concurrent'),
  ]);
  const env = { DATABASE_URL: await postgres.createDatabase(), DATABASE_POOL_SIZE: '5' };
  for (const _instance of [1, 2]) {
    const cache = await connectCache(cacheServer);
    caches.push(cache);
    apis.push(await startTestControlApi({ directory: dir.path, env, cache }));
  }
  for (const instance of ['gateway-1', 'gateway-2', 'gateway-3']) {
    gateways.push(await connectCache(cacheServer, { holdsLease: true, instance }));
  }
});
afterAll(async () => {
  for (const api of apis) await api.close();
  for (const cache of [...gateways, ...caches]) await cache.close();
  await cacheServer.close();
  await postgres.close();
  await dir.remove();
});

const filesOf = (name: string): File[] => [
  { path: '/index.html', content: `<p>${name}` },
  { path: '/shared.css', content: 'the same in all' },
];

// The ways in which a deploy can come to nothing, by where it stops.
type Failure = 'begun' | 'half uploaded' | 'uploaded' | 'aborted' | 'wrong bytes';
const FAILURES: readonly Failure[] = ['begun', 'half uploaded', 'uploaded', 'aborted', 'wrong bytes'];

describe('fifty deploys of one track at once, half of them failing', () => {
  it('end with the newest success shown, and never show a failed or an older one', async () => {
    const [first, second] = apis;
    if (first === undefined || second === undefined) throw new Error('two control APIs are needed');
    await first.send('POST', apiPaths.projects(), { name: 'busy' });
    const initial = await deploy(first, 'busy', filesOf('initial'), { domains: [HOST] });

    const seen: { who: string; deploymentId: string; rev: number }[] = [];
    const watching = { isOn: true };
    const watchers = Promise.all([
      watch(watching, async () => ({ who: 'control API', ...(await ask(first)) }), seen),
      ...gateways.map((cache, index) =>
        watch(watching, async () => ({ who: `gateway ${index}`, ...(await resolve(cache, second)) }), seen),
      ),
    ]);
    // What it fails with is told where it is awaited.
    watchers.catch(() => undefined);
    const failed = new Set<string>();
    const results = await Promise.all(
      Array.from({ length: DEPLOYS }, (_value, index) => {
        const api = index % 4 < 2 ? first : second;
        return index % 2 === 0 ? succeed(api, index) : fail(api, index, failed);
      }),
    );
    // What is acknowledged is shown: every gateway that has asked since shows the end.
    const atEnd = await ask(first);
    for (const cache of gateways) expect(await resolve(cache, second)).toEqual(atEnd);
    watching.isOn = false;
    await watchers;

    const finished = results.filter((result) => result !== undefined);
    expect(finished).toHaveLength(DEPLOYS / 2);
    const { body } = await first.send('GET', `${apiPaths.deployments('busy')}?limit=200`);
    const newestFirst: Deployment[] = body.deployments;
    const newestSuccess = newestFirst.find(({ status }) => status === 'success');
    expect(atEnd.deploymentId).toBe(newestSuccess?.id);
    expect(newestFirst.find(({ isLive }) => isLive)?.id).toBe(newestSuccess?.id);

    const order = new Map(newestFirst.map(({ id }, index) => [id, newestFirst.length - index]));
    const isComplete = new Set([initial.deployment.id, ...finished.map(({ deployment }) => deployment.id)]);
    expect(seen.length).toBeGreaterThan(DEPLOYS);
    for (const who of new Set(seen.map((look) => look.who))) {
      const shown = seen.filter((look) => look.who === who);
      for (const [index, { deploymentId, rev }] of shown.entries()) {
        expect(failed.has(deploymentId)).toBe(false);
        expect(isComplete.has(deploymentId)).toBe(true);
        const before = shown[index - 1];
        if (before === undefined) continue;
        expect(rev).toBeGreaterThanOrEqual(before.rev);
        expect(order.get(deploymentId)).toBeGreaterThanOrEqual(order.get(before.deploymentId) ?? 0);
      }
    }
  }, 300_000);
});

async function succeed(api: TestControlApi, index: number): Promise<FlipResult> {
  const result = await deploy(api, 'busy', filesOf(`deploy ${index}`), { domains: [HOST] });
  expect(['live', 'superseded']).toContain(result.outcome);
  expect(result.expired).toEqual([]);
  return result;
}

async function fail(api: TestControlApi, index: number, failed: Set<string>): Promise<undefined> {
  await failSomewhere(api, index, failed);
  return undefined;
}

async function failSomewhere(api: TestControlApi, index: number, failed: Set<string>): Promise<void> {
  const how = FAILURES[index % FAILURES.length] ?? 'begun';
  const files = filesOf(`failing ${index}`);
  const body = { manifest: manifestOf(files), domains: [HOST] };
  if (how === 'uploaded' || how === 'aborted') {
    const begun = await upload(api, 'busy', files, { domains: [HOST] });
    failed.add(begun.deployment.id);
    if (how === 'aborted') {
      await api.send('POST', apiPaths.abort('busy', begun.deployment.id));
      const late = await api.send('POST', apiPaths.finish('busy', begun.deployment.id), {});
      expect(late.status).toBe(409);
    }
    return;
  }
  const begun = await api.send('POST', apiPaths.deployments('busy'), body);
  const { deployment, missing } = begun.body;
  failed.add(deployment.id);
  if (how === 'begun') return;
  const finish = async (): Promise<void> => {
    const finished = await api.send('POST', apiPaths.finish('busy', deployment.id), {});
    expect(finished.status).toBe(409);
  };
  if (how === 'half uploaded') return await finish();
  const wrong = await api.send('PUT', apiPaths.object('busy', missing[0]), 'not these bytes');
  expect(wrong.status).toBe(422);
  await finish();
}

type Look = { deploymentId: string; rev: number };

async function ask(api: TestControlApi): Promise<Look> {
  const { body } = await askConfig(api, HOST);
  const { deploymentId, rev } = body.result.data.json;
  return { deploymentId, rev };
}

/** As a gateway does: its near copy, the shared cache, the control API. */
async function resolve(cache: Cache, api: TestControlApi): Promise<Look> {
  const found = await cache.getWithFallback(keys.domain(HOST), async () => {
    const { body } = await askConfig(api, HOST);
    const site = body.result.data.json;
    return { kind: 'found', value: site, rev: site.rev };
  });
  if (found.kind !== 'found') throw new Error(`the domain is ${found.kind}`);
  return { deploymentId: found.value.deploymentId, rev: found.value.rev ?? 0 };
}

async function watch<Seen>(
  watching: { isOn: boolean },
  look: () => Promise<Seen>,
  seen: Seen[],
): Promise<void> {
  while (watching.isOn) {
    seen.push(await look());
    await new Promise((resolveTurn) => setTimeout(resolveTurn, 5));
  }
}
