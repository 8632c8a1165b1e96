import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { toFailure, type FailureKind } from '../../cache/redis/failure.ts';
import { keys } from '../../cache/keys.ts';
import { createRegistry } from '../../core/metrics.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { configFor, silentParts } from './rigs.ts';
import { openCache } from '../../cache/open-cache.ts';

describe('what a server answers', () => {
  it.each<[string, FailureKind]>([
    ['LOADING Redis is loading the dataset in memory', 'loading'],
    ['LOADING Dragonfly is loading the dataset in memory', 'loading'],
    ["READONLY You can't write against a read only replica.", 'readonly'],
    ['MISCONF Redis is configured to save RDB snapshots, but is currently unable to', 'readonly'],
    ["OOM command not allowed when used memory > 'maxmemory'.", 'oom'],
    ['Out of memory', 'oom'],
    ['NOAUTH Authentication required.', 'auth'],
    ['WRONGPASS invalid username-password pair or user is disabled.', 'auth'],
    ["NOPERM this user has no permissions to run the 'get' command", 'denied'],
    ['CLUSTERDOWN The cluster is down', 'cluster'],
    ['Connection is closed.', 'connection'],
    ['read ECONNRESET', 'connection'],
    ['WRONGTYPE Operation against a key holding the wrong kind of value', 'other'],
  ])('is told apart: %s', (text, kind) => {
    expect(toFailure(new Error(text), 'get').kind).toBe(kind);
  });
});

describe('commands in flight', () => {
  let server: CacheServer;
  let proxy: TcpProxy;
  beforeAll(async () => {
    server = await startCacheServer();
    proxy = await startTcpProxy(server);
  });
  afterAll(async () => {
    await proxy.close();
    await server.close();
  });

  it('are bounded: beyond it a look-up says error at once, and nothing queues', async () => {
    const registry = createRegistry();
    const config = configFor(proxy.url, { maxInFlight: 10, timeoutMs: 60_000 });
    const cache = openCache(config, { ...silentParts(), registry });
    onTestFinished(async () => {
      proxy.allow();
      await cache.close();
    });
    await cache.connect();
    proxy.stall();
    const key = (index: number) => keys.userOrgs(`u${index}`);
    // One a turn, so that they do not share a command.
    const waiting: Promise<unknown>[] = [];
    for (let index = 0; index < 10; index += 1) {
      waiting.push(cache.get(key(index)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    // These would wait for a minute if they were sent.
    const refused = await Promise.all([10, 11, 12].map((index) => cache.exists(key(index))));
    expect(refused.map(({ kind }) => kind)).toEqual(['error', 'error', 'error']);
    expect(await registry.metrics()).toContain(
      'cache_command_failures_total{service="origan",command="getrange",kind="overload"} 3',
    );
    proxy.allow();
    await Promise.all(waiting);
    expect(await cache.get(key(1))).toEqual({ kind: 'miss' });
  });
});
