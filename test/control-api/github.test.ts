import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { adminPaths } from '../../contracts/control-api-admin.ts';
import { apiPaths } from '../../contracts/control-api.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import {
  connectCache,
  startTestControlApi,
  type Reply,
  type TestControlApi,
} from '../support/control-api.ts';
import { startGithubServer, type GithubServer } from '../support/github-server.ts';
import { manualClock } from '../support/manual-clock.ts';
import { startPostgres, type PostgresServer } from '../support/postgres.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const SECRET = 'the-secret-of-the-webhook';
const MINUTE = 60_000;

let github: GithubServer;
let cacheServer: CacheServer;
let postgres: PostgresServer;
let dir: TempDir;
let caches: Cache[] = [];
let first: TestControlApi;
let second: TestControlApi;
const clock = manualClock(Date.now());

beforeAll(async () => {
  github = await startGithubServer(() => clock.nowMs());
  [cacheServer, postgres, dir] = await Promise.all([
    startCacheServer(),
    startPostgres(),
    makeTempDir('github'),
  ]);
  const env = {
    DATABASE_URL: await postgres.createDatabase(),
    ENVIRONMENT_KEY: randomBytes(32).toString('hex'),
    GITHUB_APP_ID: github.appId,
    GITHUB_APP_PRIVATE_KEY: github.privateKey,
    GITHUB_API_URL: github.url,
    GITHUB_WEBHOOK_SECRET: SECRET,
  };
  caches = [await connectCache(cacheServer), await connectCache(cacheServer)];
  first = await startTestControlApi({ directory: dir.path, env, cache: caches[0], clock });
  second = await startTestControlApi({ directory: dir.path, env, cache: caches[1], clock });
  await first.send('POST', apiPaths.projects(), { name: 'site' });
});
beforeEach(async () => {
  github.failWith(undefined);
  github.setLifetimeMs(60 * MINUTE);
  await cacheServer.admin().flushall();
  const link = { installationId: 99, repository: 'acme/site' };
  expect((await first.send('PUT', adminPaths.github('site'), link)).status).toBe(200);
});
afterAll(async () => {
  await first.close();
  await second.close();
  for (const cache of caches) await cache.close();
  await github.close();
  await cacheServer.close();
  await postgres.close();
  await dir.remove();
});

const token = (api: TestControlApi = first): Promise<Reply> =>
  api.send('POST', adminPaths.githubToken('site'));
const deliver = (event: string, payload: unknown, secret: string = SECRET): Promise<Response> => {
  const body = JSON.stringify(payload);
  const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
  const headers = { 'x-github-event': event, 'x-hub-signature-256': signature };
  return fetch(`${first.url}${adminPaths.githubWebhook()}`, { method: 'POST', body, headers });
};

describe('tokens of GitHub', () => {
  it('are made once and shared by every control API', async () => {
    const before = github.made();
    const { body } = await token();
    expect(body.token).toMatch(/^ghs_99_/);
    expect((await token(second)).body).toEqual(body);
    expect(github.made() - before).toBe(1);
  });

  it('lie sealed in the cache', async () => {
    const { body } = await token();
    const stored = await cacheServer.admin().getBuffer('github:token:99:acme/site');
    expect(stored?.length).toBeGreaterThan(0);
    expect(stored?.toString('latin1')).not.toContain(body.token);
  });

  it('are never handed out in their last five minutes', async () => {
    github.setLifetimeMs(4 * MINUTE);
    const before = github.made();
    await token();
    await token();
    expect(github.made() - before).toBe(2);
  });

  it('are made by one call when many ask at once', async () => {
    const before = github.made();
    const replies = await Promise.all(Array.from({ length: 20 }, () => token()));
    expect(new Set(replies.map(({ body }) => body.token)).size).toBe(1);
    expect(github.made() - before).toBe(1);
  });

  it('are forgotten when the installation goes, and the project is linked no more', async () => {
    const before = await token();
    expect(before.status).toBe(200);
    const reply = await deliver('installation', { action: 'deleted', installation: { id: 99 } });
    expect(await reply.json()).toEqual({ forgotten: 1 });
    const after = await token(second);
    expect(after.body.error.message).toMatch(/linked to no repository/);
    expect(await cacheServer.admin().getBuffer('github:token:99:acme/site')).not.toEqual(before);
  });

  it('are forgotten when a repository leaves the installation or the installation is suspended', async () => {
    for (const [event, payload] of [
      ['installation', { action: 'suspend', installation: { id: 99 } }],
      [
        'installation_repositories',
        { action: 'removed', installation: { id: 99 }, repositories_removed: [{ full_name: 'acme/site' }] },
      ],
    ] as const) {
      const { body } = await token();
      await deliver(event, payload);
      github.failWith(404);
      const refused = await token(second);
      expect(refused.status).toBe(404);
      expect(refused.body.error.message).toMatch(/no access to acme\/site/);
      github.failWith(undefined);
      expect((await token()).body.token).not.toBe(body.token);
    }
  });

  it('are not forgotten on anybody else’s word', async () => {
    const reply = await deliver(
      'installation',
      { action: 'deleted', installation: { id: 99 } },
      'not the secret at all',
    );
    expect(reply.status).toBe(401);
    expect((await token()).status).toBe(200);
  });

  it('are made without a cache too', async () => {
    cacheServer.pause();
    try {
      expect((await token()).body.token).toMatch(/^ghs_99_/);
    } finally {
      cacheServer.resume();
    }
  });
});

describe('a GitHub App that is not set up right', () => {
  it('is named as what is wrong', async () => {
    const own = await makeTempDir('github-wrong');
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const env = {
      GITHUB_APP_ID: github.appId,
      GITHUB_APP_PRIVATE_KEY: other.export({ type: 'pkcs8', format: 'pem' }),
      GITHUB_API_URL: github.url,
    };
    const api = await startTestControlApi({ directory: own.path, env });
    await api.send('POST', apiPaths.projects(), { name: 'site' });
    expect((await token(api)).body.error.message).toMatch(/linked to no repository/);
    await api.send('PUT', adminPaths.github('site'), { installationId: 1, repository: 'a/b' });
    expect((await token(api)).body.error.message).toMatch(/check GITHUB_APP_ID, GITHUB_APP_PRIVATE_KEY/);
    await api.close();
    await own.remove();
  });
});
