import { afterAll, beforeAll, expect, it } from 'vitest';
import { apiPaths } from '../../contracts/control-api.ts';
import { connect } from '../../control-api/database/open-database.ts';
import { silentLogger } from '../../core/log.ts';
import type { Cache } from '../../cache/cache.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { openStore } from '../../store/open-store.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import {
  connectCache,
  deploy,
  startTestControlApi,
  upload,
  type TestControlApi,
} from '../support/control-api.ts';
import { startPostgres, type PostgresServer } from '../support/postgres.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

// A deploy that is stopped for longer than its lock lives, while another one takes the track.

const log = silentLogger();
let dir: TempDir;
let postgres: PostgresServer;
let cacheServer: CacheServer;
let cache: Cache;
let api: TestControlApi;
let databaseUrl: string;
/** What happens, once, when the first object of this key is written. */
let meanwhile: { key: string; run: () => Promise<unknown> } | undefined;

beforeAll(async () => {
  [dir, postgres, cacheServer] = await Promise.all([
    makeTempDir('lock'),
    startPostgres(),
    startCacheServer(),
  ]);
  databaseUrl = await postgres.createDatabase();
  cache = await connectCache(cacheServer);
  const bucket = openStore({ kind: 'directory', root: dir.path }, { log });
  const store: ObjectStore = {
    ...bucket,
    put: async (key, ...rest) => {
      const due = meanwhile?.key === key ? meanwhile : undefined;
      if (due !== undefined) meanwhile = undefined;
      await due?.run();
      await bucket.put(key, ...rest);
    },
  };
  api = await startTestControlApi({ directory: dir.path, env: { DATABASE_URL: databaseUrl }, cache, store });
  await api.send('POST', apiPaths.projects(), { name: 'site' });
});
afterAll(async () => {
  await api.close();
  await cache.close();
  await cacheServer.close();
  await postgres.close();
  await dir.remove();
});

const page = (text: string): { path: string; content: string } => ({ path: '/index.html', content: text });

it('is tried again under a new lock, and gives way to the newer one that took over', async () => {
  const { deployment } = await upload(api, 'site', [page('held up')]);
  meanwhile = {
    key: `deployments/${deployment.id}/manifest.json`,
    run: async () => {
      await cacheServer.admin().flushall();
      expect((await deploy(api, 'site', [page('newer')])).outcome).toBe('live');
    },
  };
  const { status, body } = await api.send('POST', apiPaths.finish('site', deployment.id), {});
  expect(meanwhile).toBeUndefined();
  expect([status, body.outcome]).toEqual([200, 'superseded']);
});

it('takes the track from an older one that took over', async () => {
  const older = await upload(api, 'site', [page('older')]);
  const { deployment } = await upload(api, 'site', [page('held up, newer')]);
  meanwhile = {
    key: `deployments/${deployment.id}/manifest.json`,
    run: async () => {
      await cacheServer.admin().flushall();
      const { body } = await api.send('POST', apiPaths.finish('site', older.deployment.id), {});
      expect(body.outcome).toBe('live');
    },
  };
  const { status, body } = await api.send('POST', apiPaths.finish('site', deployment.id), {});
  expect([status, body.outcome]).toEqual([200, 'live']);
});

it('is a conflict when others take over again and again: nothing is changed, and it can be finished later', async () => {
  const { deployment } = await upload(api, 'site', [page('later')]);
  const database = await connect({ url: databaseUrl, directory: '', poolSize: 1 }, log);
  const setFence = (fence: number): Promise<unknown> =>
    database.withSession((session) => session.query('update tracks set fence = $1', [fence]));
  await setFence(Date.now() + 3_600_000);
  const refused = await api.send('POST', apiPaths.finish('site', deployment.id), {});
  await setFence(0);
  await database.close();
  expect([refused.status, refused.body.error]).toMatchObject([
    409,
    {
      code: 'CONFLICT',
      message: expect.stringMatching(/Another deploy to the track production is under way/),
    },
  ]);
  const { body } = await api.send('POST', apiPaths.finish('site', deployment.id), {});
  expect(body.outcome).toBe('live');
});
