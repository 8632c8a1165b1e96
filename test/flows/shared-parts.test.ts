import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { startCountingProxy, type CountingProxy } from '../support/counting-proxy.ts';
import { deployFolder } from '../support/deploy-folder.ts';
import { freePort } from '../support/free-port.ts';
import { startPostgres, type PostgresServer } from '../support/postgres.ts';
import { startS3Server, type S3Server } from '../support/s3-server.ts';
import { startSystem, type System } from '../support/system.ts';
import { visit } from '../support/visit.ts';

// Two gateways over a real cache server, a real Postgres and a real S3 server.

const HOST = 'shared.test';
const LOOK_UP = 'deployments.getConfigByDomain';

let parts: { cache: CacheServer; database: PostgresServer; bucket: S3Server };
let proxy: CountingProxy;
let system: System;

beforeAll(async () => {
  const [cache, database, bucket] = await Promise.all([startCacheServer(), startPostgres(), startS3Server()]);
  parts = { cache, database, bucket };
  const controlPort = await freePort();
  proxy = await startCountingProxy(`http://127.0.0.1:${controlPort}`);
  system = await startSystem({
    gateways: 2,
    controlPort,
    env: { CACHE_URL: cache.url, DATABASE_URL: await database.createDatabase(), ...bucket.env },
    gatewayEnv: { CONTROL_API_URL: proxy.url },
  });
});

afterAll(async () => {
  await system?.close();
  await proxy?.close();
  await Promise.all(Object.values(parts ?? {}).map((part) => part.close()));
});

const ports = (): number[] => system.gateways.map((gateway) => gateway.port);
const deploy = (files: Record<string, string>): ReturnType<typeof deployFolder> =>
  deployFolder({ apiUrl: system.controlApi.url, token: system.token, files, host: HOST });

describe('two gateways on shared parts', () => {
  test('serve the same site, and the control API is asked once', async () => {
    await deploy({
      'index.html': 'first build',
      'functions/hello.js': 'export default () => new Response("hi")',
    });
    // What the deployment left in the cache goes away here, so that somebody has to ask.
    const left = await parts.cache.admin().keys(`*domain:${HOST}*`);
    expect(left).not.toEqual([]);
    await parts.cache.admin().del(left);
    const before = proxy.count(LOOK_UP);
    for (const port of ports()) {
      expect((await visit(port, HOST, '/')).text).toBe('first build');
      expect((await visit(port, HOST, '/hello')).text).toBe('hi');
    }
    expect(proxy.count(LOOK_UP) - before).toBe(1);
  });

  test('a new deployment is live on both when the deploy returns', async () => {
    const { result } = await deploy({ 'index.html': 'second build' });
    expect(result).toMatchObject({ outcome: 'live', expired: [], isComplete: true });
    expect(result.acknowledged).toHaveLength(2);
    for (const port of ports()) expect((await visit(port, HOST, '/')).text).toBe('second build');
  });

  test('each stops in order on SIGTERM', async () => {
    for (const part of [...system.gateways, system.runner, system.controlApi])
      expect(await part.stop()).toBe(0);
  });
});
