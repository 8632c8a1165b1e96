import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { cacheFields, toCacheConfig } from '../../cache/config.ts';
import { controlApiShape } from '../../control-api/config.ts';
import { readEnvironment, type Environment } from '../../core/env.ts';
import { readGatewayConfig } from '../../gateway/config.ts';
import { runnerFields } from '../../runner/config.ts';
import { storeFields, toStoreConfig, withStoreRules } from '../../store/config.ts';
import { startNode } from '../../test/support/process.ts';
import { environmentOf, render, SECRETS, type Resource } from './render.ts';

// The programs' own readers: what they do not know or miss fails here.
const runnerShape = withStoreRules(z.object({ ...runnerFields, ...storeFields, ...cacheFields }));
const controlShape = withStoreRules(z.object({ ...controlApiShape.shape, ...storeFields, ...cacheFields }));
const readRunner = (env: Environment) => readEnvironment('runner', runnerShape, env);
const readControlApi = (env: Environment) => readEnvironment('control-api', controlShape, env);
const READERS = {
  'origan-gateway': readGatewayConfig,
  'origan-runner': readRunner,
  'origan-control-api': readControlApi,
} as const;
const NAMES = Object.keys(READERS) as (keyof typeof READERS)[];

const MIB = 1024 * 1024;

// Everything that can be said, so that every variable is there.
const EVERYTHING = {
  gatewayTlsSecret: 'wildcard',
  trustedProxies: ['10.1.0.0/16'],
  clusterNetworks: ['203.0.113.0/24'],
  bucketNetworks: ['10.8.0.0/16'],
  github: {
    appId: '12345',
    privateKey: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----',
    webhookSecret: 'secret-of-the-webhook',
  },
};

describe.each([
  ['the least', {}],
  ['everything', EVERYTHING],
])('with %s configured', (_, config) => {
  let resources: Resource[];
  beforeAll(async () => {
    resources = await render(config);
  });

  test.each(NAMES)('%s accepts its environment, and knows every variable of it', (name) => {
    const env = environmentOf(resources, name);
    const read = READERS[name](env);
    expect(Object.keys(env).filter((key) => !(key in read))).toEqual([]);
  });

  test.each(NAMES)('%s finds bucket and cache', (name) => {
    const env = environmentOf(resources, name);
    // Both are read alike by every program.
    const read = readRunner({ ...env, RUNNER_PORT: '9000' });
    expect(toStoreConfig(read)).toMatchObject({
      kind: 's3',
      endpoint: 'https://s3.example',
      bucket: 'deployments',
    });
    expect(toCacheConfig(read).target).toMatchObject({
      kind: 'server',
      nodes: [{ host: 'origan-cache.edge.svc', port: 6379 }],
      username: name.replace('origan-', ''),
    });
  });
});

test.each(NAMES)('%s itself starts with it, as far as it comes without bucket and cache', async (name) => {
  const program = name.replace('origan-', '');
  const env = environmentOf(await render(), name);
  const elsewhere = {
    BUCKET_URL: 'http://127.0.0.1:9',
    BUCKET_MAX_ATTEMPTS: '1',
    CACHE_URL: 'redis://127.0.0.1:9',
  };
  const started = startNode(`${program}/main.ts`, { env: { ...env, ...elsewhere } });
  const { code } = await started.exited;
  expect(code).toBe(1);
  expect(started.stderr()).not.toMatch(/wrong configuration/);
  expect(started.stderr()).toMatch(/the bucket|127\.0\.0\.1:9/);
});

test('a variable that a program does not know is found', () => {
  const env = { ...environmentOfGateway(), STATIC_CACHE_SIZE: '1' };
  expect(Object.keys(env).filter((key) => !(key in readGatewayConfig(env)))).toEqual(['STATIC_CACHE_SIZE']);
});

test.each(NAMES)('%s is refused without what it requires', async (name) => {
  const { BUCKET_SECRET_KEY: _, ...env } = environmentOf(await render(), name);
  expect(() => READERS[name](env)).toThrow(/BUCKET_SECRET_KEY/);
});

describe('what several replicas must agree on', () => {
  test('is given, and the same', async () => {
    const resources = await render();
    const gateway = readGatewayConfig(environmentOf(resources, 'origan-gateway'));
    const runner = readRunner(environmentOf(resources, 'origan-runner'));
    const controlApi = readControlApi(environmentOf(resources, 'origan-control-api'));
    expect(gateway.runnerClient.RUNNER_SHARED_SECRET).toBe(runner.RUNNER_SHARED_SECRET);
    expect(runner.RUNNER_SHARED_SECRET).toBe(SECRETS.runnerSharedSecret);
    expect(runner.ENVIRONMENT_KEY).toEqual(controlApi.ENVIRONMENT_KEY);
    // Each replica would make a database and a token of its own.
    expect(controlApi.DATABASE_URL).toBe(SECRETS.databaseUrl);
    expect(controlApi.CONTROL_API_TOKEN).toBe(SECRETS.controlApiToken);
    expect(gateway.ORIGAN_DEPLOY_DOMAIN).toBe(controlApi.ORIGAN_DEPLOY_DOMAIN);
  });
});

describe('memory', () => {
  test.each([
    ['2', '3Gi'],
    ['1', '1Gi'],
    ['8', '16Gi'],
  ])(
    'of a gateway with %s cores and %s holds what its processes may take',
    async (gatewayCpu, gatewayMemory) => {
      const resources = await render({ gatewayCpu, gatewayMemory });
      const read = readGatewayConfig(environmentOf(resources, 'origan-gateway'));
      const nearCopies = read.GATEWAY_PROCESSES * read.cache.nearMaxBytes;
      const caches = read.STATIC_CACHE_BYTES + read.RESPONSE_CACHE_BYTES;
      const rest = Number.parseInt(gatewayMemory, 10) * 1024 * MIB - nearCopies - caches;
      // What Node itself takes.
      expect(rest).toBeGreaterThan(read.GATEWAY_PROCESSES * 192 * MIB);
      expect(caches).toBeGreaterThan(256 * MIB);
    },
  );

  test('of a gateway that is too small is refused', async () => {
    await expect(render({ gatewayCpu: '4', gatewayMemory: '1Gi' })).rejects.toThrow(
      /too small for 4 processes/,
    );
  });

  test('of a runner holds every process that it may start', async () => {
    const resources = await render({ runnerMemory: '8Gi', functionMemoryMb: 128 });
    const read = readRunner(environmentOf(resources, 'origan-runner'));
    expect(read.FUNCTION_MEMORY_MB).toBe(128);
    expect(read.RUNNER_MAX_PROCESSES * (128 + 10)).toBeLessThan(8 * 1024 - 512);
    expect(read.RUNNER_MAX_PROCESSES).toBeGreaterThan(40);
    expect(read.RUNNER_SPARE_PROCESSES).toBeLessThan(read.RUNNER_MAX_PROCESSES);
    await expect(render({ runnerMemory: '1Gi' })).rejects.toThrow(/too small for a runner/);
  });
});

function environmentOfGateway(): Record<string, string> {
  return {
    CONTROL_API_URL: 'http://control-api:7780',
    RUNNER_URL: 'http://runner:9000',
    BUCKET_URL: '/bucket',
  };
}
