import { describe, expect, it } from 'vitest';
import { readEnvironment } from '../../core/env.ts';
import { silentLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { openCache } from '../../cache/open-cache.ts';
import { cacheShape, toCacheConfig, type CacheConfig } from '../../cache/config.ts';

const read = (env: Record<string, string>): CacheConfig =>
  toCacheConfig(readEnvironment('test', cacheShape, env));

describe('the environment of the cache', () => {
  it.each([
    ['localhost:6379', 'localhost', 6379, false],
    ['origan-cache.default.svc.cluster.local:6379', 'origan-cache.default.svc.cluster.local', 6379, false],
    ['redis://cache', 'cache', 6379, false],
    ['rediss://cache:6380', 'cache', 6380, true],
    ['redis://[::1]:7000', '::1', 7000, false],
  ])('reads CACHE_URL=%s', (text, host, port, isTls) => {
    expect(read({ CACHE_URL: text }).target).toMatchObject({
      kind: 'server',
      nodes: [{ host, port }],
      isTls,
    });
  });

  it.each([undefined, '', 'memory://'])('takes %j for memory', (text) => {
    expect(read(text === undefined ? {} : { CACHE_URL: text }).target).toEqual({ kind: 'memory' });
  });

  it('reads user, password and database from the URL, and lets the variables win', () => {
    const url = { CACHE_URL: 'redis://al:p%40ss@cache/3' };
    expect(read(url).target).toMatchObject({ username: 'al', password: 'p@ss', database: 3 });
    const target = read({ ...url, CACHE_USERNAME: 'gw', CACHE_PASSWORD: 'x' }).target;
    expect(target).toMatchObject({ username: 'gw', password: 'x' });
  });

  it('takes a % in a password that begins no escape for itself', () => {
    expect(read({ CACHE_URL: 'redis://u:100%zz@cache' }).target).toMatchObject({ password: '100%zz' });
  });

  it('takes the scheme of the first of several nodes for those that have none', () => {
    const target = read({ CACHE_URL: 'rediss://u:p@a:1,b:2', CACHE_TOPOLOGY: 'cluster' }).target;
    const nodes = [
      { host: 'a', port: 1 },
      { host: 'b', port: 2 },
    ];
    expect(target).toMatchObject({ isTls: true, nodes, password: 'p' });
  });

  it('says that of several servers only one is used, where the topology is missing', async () => {
    const lines: unknown[] = [];
    const log = silentLogger();
    log.warn = (...args: unknown[]) => void lines.push(args);
    const config = read({ CACHE_URL: 'a:1,b:2' });
    await openCache(config, { log, registry: createRegistry() }).close();
    await openCache({ ...config, target: { kind: 'memory' } }, { log, registry: createRegistry() }).close();
    expect(JSON.stringify(lines)).toMatch(/^\[\["CACHE_URL names several servers[^\]]*\]\]$/);
  });

  it('reads several nodes of a cluster', () => {
    const config = read({ CACHE_URL: 'a:1,b:2,redis://c:3', CACHE_TOPOLOGY: 'cluster' });
    expect(config.target).toMatchObject({
      topology: 'cluster',
      nodes: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
        { host: 'c', port: 3 },
      ],
    });
  });

  it('is off when either switch says so', () => {
    expect(read({}).isEnabled).toBe(true);
    expect(read({ CACHE_ENABLED: 'false' }).isEnabled).toBe(false);
    expect(read({ ENABLE_CACHE: '0' }).isEnabled).toBe(false);
  });

  it('takes seconds for CACHE_TTL_DEFAULT and milliseconds for CACHE_TIMEOUT_MS', () => {
    const config = read({
      CACHE_TTL_DEFAULT: '300',
      CACHE_TIMEOUT_MS: '100',
      CACHE_CONNECTION_POOL_SIZE: '10',
    });
    expect(config).toMatchObject({ defaultTtlMs: 300_000, timeoutMs: 100, poolSize: 10 });
  });

  it('names every wrong variable at once, without its value', () => {
    const wrong = { CACHE_URL: 'http://secret', CACHE_TIMEOUT_MS: 'soon', CACHE_KEY_PREFIX: 'a b' };
    expect(() => read(wrong)).toThrow(/CACHE_URL: must be[^]*CACHE_TIMEOUT_MS[^]*CACHE_KEY_PREFIX/);
    expect(() => read(wrong)).not.toThrow(/secret/);
  });
});
