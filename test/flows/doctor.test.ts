import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { OpenDatabase } from '../../control-api/database/database.ts';
import { migrateDown, migrateUp, readMigrations } from '../../control-api/database/migrate.ts';
import { connect } from '../../control-api/database/open-database.ts';
import { silentLogger } from '../../core/log.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { startHttpProxy, type HttpProxy } from '../support/http-proxy.ts';
import { startPostgres, type PostgresServer } from '../support/postgres.ts';
import { origan } from '../support/run-cli.ts';
import { startS3Server, type S3Server } from '../support/s3-server.ts';
import { startSystem, type System } from '../support/system.ts';
import { talkTo } from '../support/control-api.ts';

// Parts are broken one after the other; each time the doctor names the part, what is wrong and what mends it, and once
// that was done it finds nothing more.

let parts: { cache: CacheServer; database: PostgresServer; bucket: S3Server };
/** In front of the bucket. */
let proxy: HttpProxy;
let database: OpenDatabase;
let system: System;

beforeAll(async () => {
  const [cache, postgres, bucket] = await Promise.all([startCacheServer(), startPostgres(), startS3Server()]);
  parts = { cache, database: postgres, bucket };
  proxy = await startHttpProxy(bucket.endpoint);
  const url = await postgres.createDatabase();
  system = await startSystem({
    gateways: 2,
    env: {
      CACHE_URL: cache.url,
      DATABASE_URL: url,
      ...bucket.env,
      BUCKET_URL: proxy.url,
      ENVIRONMENT_KEY: Buffer.alloc(32, 7).toString('base64'),
    },
  });
  database = await connect({ url, directory: '', poolSize: 1 }, silentLogger());
  await parts.cache.admin().config('SET', 'maxmemory', '100mb');
  await parts.cache.admin().config('SET', 'maxmemory-policy', 'allkeys-lru');
});
afterEach(() => {
  proxy.answer = undefined;
});
afterAll(async () => {
  await database?.close();
  await system?.close();
  await proxy?.close();
  await Promise.all(Object.values(parts ?? {}).map((part) => part.close()));
});

type Finding = { check: string; state: string; detail: string; fix?: string };

async function doctor(
  env: Record<string, string> = {},
): Promise<{ code: number; bad: Finding[]; all: Finding[] }> {
  const args = ['doctor', '--json', ...system.gateways.flatMap(({ adminUrl }) => ['-g', adminUrl])];
  const { code, out } = await origan(args, {
    env: { ORIGAN_API_URL: system.controlApi.url, ORIGAN_TOKEN: system.token, ...env },
  });
  const { findings } = JSON.parse(out) as { findings: Finding[] };
  return { code, all: findings, bad: findings.filter(({ state }) => state !== 'ok' && state !== 'skipped') };
}

/** Mends what was broken whatever the doctor finds: the tests that follow need it whole. */
async function doctorThen(mend: () => Promise<unknown>): ReturnType<typeof doctor> {
  try {
    return await doctor();
  } finally {
    await mend();
  }
}

/** All is well, whichever way one looks at the cache. */
async function expectWell(): Promise<void> {
  for (const env of [{}, { CACHE_URL: parts.cache.url }])
    expect(await doctor(env)).toMatchObject({ code: 0, bad: [] });
}

describe('origan doctor', () => {
  test('tries every part of a system that is well', async () => {
    await expectWell();
    const { all } = await doctor();
    const found = Object.fromEntries(all.map(({ check, detail }) => [check, detail]));
    expect(found).toMatchObject({
      'bucket rights': 'writes, reads, lists and deletes',
      migrations: 'all applied',
      'database clock': 'postgres agrees with the control API',
      'rights of the control API in the cache': expect.stringContaining('allowed'),
      'cache memory': expect.stringMatching(/of 10\d(\.\d)? MB used/),
      'cache eviction': 'evicts when full (allkeys-lru)',
      'cache transport': 'this machine',
      'cache user': 'no password, on this machine',
      bus: expect.stringMatching(/^2 gateways confirmed a message after/),
      variables: 'sealed wherever they are kept',
    });
    expect(await parts.cache.admin().keys('*doctor:exists*')).toEqual([]);
  });

  test.each([
    ['write', (method: string) => method === 'PUT', /s3:PutObject/],
    ['read', (method: string, url: string) => method === 'GET' && url.includes('/probes/'), /s3:GetObject/],
    ['list', (method: string, url: string) => method === 'GET' && url.includes('list-type'), /s3:ListBucket/],
    ['delete', (method: string) => method === 'DELETE' || method === 'POST', /s3:DeleteObject/],
  ] as const)('a bucket that refuses to %s', async (right, isRefused, fix) => {
    proxy.answer = (method, url) =>
      isRefused(method, url) ? { status: 403, body: '<Error><Code>AccessDenied</Code></Error>' } : undefined;
    const { code, bad } = await doctor();
    expect(code).toBe(1);
    // Looking whether the bucket is there at all is to list it.
    expect(bad.filter(({ check }) => check !== 'bucket')).toEqual([
      {
        check: `bucket ${right}`,
        state: 'wrong',
        detail: expect.stringMatching(/AccessDenied|403/),
        fix: expect.stringMatching(fix),
      },
    ]);
    proxy.answer = undefined;
    await expectWell();
  });

  test('a bucket that does not answer is one finding among the others', async () => {
    await parts.bucket.stop();
    const { code, all } = await doctorThen(() => parts.bucket.restart());
    expect(code).toBe(1);
    expect(all.find(({ check }) => check === 'bucket')).toMatchObject({ state: 'wrong' });
    expect(all.find(({ check }) => check === 'migrations')).toMatchObject({ state: 'ok' });
    await expectWell();
  });

  test('a migration that is pending', async () => {
    const migrations = await readMigrations();
    const [newest] = await database.withSession((session) => migrateDown(session, migrations, 1));
    const { code, bad } = await doctorThen(() =>
      database.withSession((session) => migrateUp(session, migrations)),
    );
    expect(code).toBe(1);
    expect(bad).toContainEqual({
      check: 'migrations',
      state: 'wrong',
      detail: `pending: ${newest}`,
      fix: expect.stringContaining('npm run control-api -- migrate up'),
    });
    await expectWell();
  });

  test('a migration of a newer version', async () => {
    await database.withSession((session) =>
      session.exec(`insert into schema_migrations (name, checksum) values ('9999-later', 'x')`),
    );
    const { bad } = await doctorThen(() =>
      database.withSession((session) =>
        session.exec(`delete from schema_migrations where name = '9999-later'`),
      ),
    );
    expect(bad).toMatchObject([
      { check: 'migrations', state: 'wrong', detail: expect.stringContaining('run a newer version') },
    ]);
  });

  test.each([
    ['as the control API sees it', false],
    ['as it is seen from here', true],
  ])('a cache that does not evict, %s: the command that it names mends it', async (_, isSeenFromHere) => {
    const admin = parts.cache.admin();
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
    const env: Record<string, string> = isSeenFromHere ? { CACHE_URL: parts.cache.url } : {};
    // What the server says of itself is asked for every few seconds.
    await expect.poll(async () => (await doctor(env)).bad.length).toBe(1);
    const { code, bad } = await doctor(env);
    expect([code, bad[0]]).toMatchObject([
      1,
      { check: 'cache eviction', state: 'wrong', detail: 'writes fail when memory is full (noeviction)' },
    ]);
    const [, name = '', value = ''] = /redis-cli CONFIG SET (\S+) ([\w-]+)/.exec(bad[0]?.fix ?? '') ?? [];
    await admin.config('SET', name, value);
    await expect.poll(async () => (await doctor(env)).bad).toEqual([]);
  });

  test('a user of the cache who may not write', async () => {
    const admin = parts.cache.admin();
    await admin.call(
      'ACL',
      'SETUSER',
      'reader',
      'on',
      '>reader-password',
      '~*',
      '&*',
      '+@read',
      '+info',
      '+hello',
      '+client',
      '+@pubsub',
      '+ping',
    );
    const env = { CACHE_URL: parts.cache.url, CACHE_USERNAME: 'reader', CACHE_PASSWORD: 'reader-password' };
    const { code, bad } = await doctor(env);
    expect([code, bad[0]]).toMatchObject([
      1,
      {
        check: 'cache rights',
        state: 'wrong',
        detail: expect.stringMatching(/^writing fails/),
        fix: expect.stringContaining('ACL SETUSER'),
      },
    ]);
  });

  test('a gateway that hangs is named', async () => {
    const [, second] = system.gateways;
    const { instance } = (await (await fetch(`${second?.adminUrl}/status`)).json()) as { instance: string };
    second?.process().child.kill('SIGSTOP');
    try {
      const { code, all } = await doctor();
      expect([code, all.find(({ check }) => check === 'bus')]).toMatchObject([
        1,
        { state: 'wrong', detail: `no answer of ${instance} to a message of the control API` },
      ]);
    } finally {
      second?.process().child.kill('SIGCONT');
    }
    await expect.poll(async () => (await doctor()).bad).toEqual([]);
  });

  test('who is no administrator sees no more than is theirs', async () => {
    const { send } = talkTo(system.controlApi.url);
    await send('POST', '/v1/users', { name: 'guest' }, system.token);
    const { body } = await send('POST', '/v1/tokens', { name: 'test', user: 'guest' }, system.token);
    expect((await send('POST', '/v1/diagnosis', undefined, body.token)).status).toBe(403);
    const { code, all } = await doctor({ ORIGAN_TOKEN: body.token });
    expect([code, all.find(({ check }) => check === 'installation')]).toMatchObject([
      0,
      { state: 'skipped' },
    ]);
  });
});
