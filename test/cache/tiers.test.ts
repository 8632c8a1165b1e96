import { describe, expect, it } from 'vitest';
import { defaultCacheConfig, type CacheConfig } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import type { Cache } from '../../cache/cache.ts';
import type { Loaded } from '../../cache/lookup.ts';
import { createMemoryServer, openCache, type CacheParts } from '../../cache/open-cache.ts';
import type { SiteRecord } from '../../contracts/site.ts';
import { manualClock } from '../support/manual-clock.ts';
import { site } from './cache-conformance.ts';
import { silentParts } from './rigs.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

const found = (deploymentId: string, rev?: number) => async (): Promise<Loaded<SiteRecord>> => ({
  kind: 'found',
  value: site(deploymentId, rev),
});
const absent = async (): Promise<Loaded<SiteRecord>> => ({ kind: 'absent' });
const failing = () => Promise.reject(new Error('the source is down'));

function setUp(overrides: Partial<CacheConfig> = {}, parts: Partial<CacheParts> = {}) {
  const clock = manualClock();
  const memoryServer = createMemoryServer({ clock });
  const open = async (more: Partial<CacheParts> = {}): Promise<Cache> => {
    const cache = openCache(defaultCacheConfig(overrides), {
      ...silentParts(),
      clock,
      memoryServer,
      ...parts,
      ...more,
    });
    await cache.connect();
    return cache;
  };
  return { clock, open, server: memoryServer };
}

/** Lets everything run that waits for nothing but its turn. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('near copies', () => {
  it('end L1_TTL after they were confirmed, and are confirmed in the background while they are in use', async () => {
    const { clock, open } = setUp();
    const gateway = await open({ holdsLease: true });
    const key = keys.domain('a.example');
    await gateway.getWithFallback(key, found('d1', 1));
    clock.advance(600);
    expect(gateway.peek(key)?.deploymentId).toBe('d1');
    await settle();
    clock.advance(600);
    expect(gateway.peek(key)?.deploymentId).toBe('d1');
    clock.advance(1000);
    expect(gateway.peek(key)).toBeUndefined();
  });

  it('are gone within L1_TTL of a DEL by another program', async () => {
    const { clock, open, server } = setUp();
    const gateway = await open({ holdsLease: true });
    const key = keys.domain('a.example');
    await gateway.getWithFallback(key, found('d1', 1));
    server.delete(key.name);
    clock.advance(600);
    gateway.peek(key);
    await settle();
    // Found out in the background, and loaded anew.
    const answer = await gateway.getWithFallback(key, found('d2', 2));
    expect(answer.kind === 'found' && answer.isStale).toBe(false);
    clock.advance(1000);
    expect(await gateway.getWithFallback(key, found('d2', 2))).toMatchObject({ kind: 'found' });
    expect(gateway.peek(key)).toBeDefined();
  });

  it('are not made of what is older than a purge, where the source is behind', async () => {
    const { open } = setUp();
    const gateway = await open({ holdsLease: true });
    const key = keys.domain('a.example');
    await gateway.invalidate(key, { rev: 5 });
    expect(await gateway.getWithFallback(key, found('d4', 4))).toMatchObject({ kind: 'found' });
    expect(gateway.peek(key)).toBeUndefined();
    expect(await gateway.getWithFallback(key, found('d5', 5))).toMatchObject({
      value: { deploymentId: 'd5' },
    });
  });

  it('are not used when the lease has run out', async () => {
    const { clock, open } = setUp({ nearTtlMs: MINUTE, leaseMs: 15 * SECOND });
    const gateway = await open({ holdsLease: true });
    const key = keys.domain('a.example');
    await gateway.getWithFallback(key, found('d1', 1));
    clock.advance(10 * SECOND);
    expect(gateway.holdsLease()).toBe(true);
    expect(gateway.peek(key)).toBeDefined();
    clock.advance(4 * SECOND);
    expect(gateway.holdsLease()).toBe(false);
    expect(gateway.peek(key)).toBeUndefined();
  });

  it('of immutable families need no lease and live on', async () => {
    const { clock, open } = setUp();
    const runner = await open();
    const key = keys.deploymentMetadata('d1');
    const value = {
      deploymentId: 'd1',
      projectId: 'p',
      environmentRevisionId: null,
      createdAt: '2026-01-01T00:00:00Z',
    };
    await runner.getWithFallback(key, async () => ({ kind: 'found', value }));
    clock.advance(60 * MINUTE);
    expect(runner.peek(key)).toEqual(value);
  });
});

describe('a process with a memory server of its own', () => {
  it('trusts a domain for L1_TTL only', async () => {
    const { clock, open } = setUp({}, { memoryServer: undefined });
    const gateway = await open({ holdsLease: true });
    const key = keys.domain('a.example');
    await gateway.getWithFallback(key, found('d1', 1));
    expect(await gateway.getWithFallback(key, found('d2', 2))).toMatchObject({
      value: { deploymentId: 'd1' },
    });
    clock.advance(1001);
    expect(await gateway.getWithFallback(key, found('d2', 2))).toMatchObject({
      value: { deploymentId: 'd2' },
    });
  });
});

describe('when the source fails', () => {
  it('a value past its freshness is served within its grace, and says so', async () => {
    const { clock, open } = setUp();
    const gateway = await open({ holdsLease: true });
    const key = keys.domain('a.example');
    await gateway.getWithFallback(key, found('d1', 1));
    clock.advance(301 * SECOND);
    const answer = await gateway.getWithFallback(key, failing);
    expect(answer).toMatchObject({ kind: 'found', isStale: true, isLastKnownGood: false, source: 'shared' });
  });

  it('the last known good is served for ten minutes, marked, and then no more', async () => {
    const { clock, open, server } = setUp();
    const gateway = await open({ holdsLease: true });
    const key = keys.domain('a.example');
    await gateway.getWithFallback(key, found('d1', 1));
    server.delete(key.name);
    clock.advance(9 * MINUTE);
    const answer = await gateway.getWithFallback(key, failing);
    expect(answer).toMatchObject({ kind: 'found', isLastKnownGood: true, isStale: true, source: 'near' });
    clock.advance(2 * MINUTE);
    expect(await gateway.getWithFallback(key, failing)).toMatchObject({ kind: 'failed' });
  });

  it('what was purged while it came is the last known good, and nothing but that', async () => {
    const { open, server } = setUp();
    const gateway = await open({ holdsLease: true });
    const key = keys.domain('a.example');
    const purgedMeanwhile = async (): Promise<Loaded<SiteRecord>> => {
      await gateway.invalidate(key);
      return { kind: 'found', value: site('d1', 1) };
    };
    expect(await gateway.getWithFallback(key, purgedMeanwhile)).toMatchObject({ kind: 'found' });
    expect(gateway.peek(key)).toBeUndefined();
    expect(await gateway.get(key)).toEqual({ kind: 'miss' });
    server.delete(key.name);
    const answer = await gateway.getWithFallback(key, failing);
    expect(answer).toMatchObject({ kind: 'found', isLastKnownGood: true, value: { deploymentId: 'd1' } });
    expect(await gateway.getWithFallback(key, found('d2', 2))).toMatchObject({
      value: { deploymentId: 'd2' },
    });
    expect(gateway.peek(key)?.deploymentId).toBe('d2');
  });

  it('the last known good is not served once the source said that it is gone', async () => {
    const { clock, open, server } = setUp();
    const gateway = await open({ holdsLease: true });
    const key = keys.domain('a.example');
    await gateway.getWithFallback(key, found('d1', 1));
    server.delete(key.name);
    clock.advance(2 * SECOND);
    expect(await gateway.getWithFallback(key, absent)).toMatchObject({ kind: 'absent' });
    server.delete(key.name);
    clock.advance(2 * SECOND);
    expect(await gateway.getWithFallback(key, failing)).toMatchObject({ kind: 'failed' });
  });

  it('permissions have no grace', async () => {
    const { clock, open } = setUp();
    const controlApi = await open();
    const key = keys.userProjects('u');
    await controlApi.getWithFallback(key, async () => ({ kind: 'found', value: ['p'] }));
    clock.advance(6 * MINUTE);
    expect(await controlApi.getWithFallback(key, failing)).toMatchObject({ kind: 'failed' });
  });
});

describe('deadlines of a load', () => {
  it('serve what is stale after the soft one, and keep what arrives later', async () => {
    const { clock, open } = setUp({ loadSoftMs: 20 });
    const gateway = await open();
    const key = keys.domain('a.example');
    await gateway.getWithFallback(key, found('d1', 1));
    clock.advance(301 * SECOND);
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const slow = async (): Promise<Loaded<SiteRecord>> => {
      await held;
      return { kind: 'found', value: site('d2', 2) };
    };
    expect(await gateway.getWithFallback(key, slow)).toMatchObject({
      value: { deploymentId: 'd1' },
      isStale: true,
    });
    release();
    await settle();
    expect(await gateway.get(key)).toMatchObject({
      kind: 'hit',
      value: { deploymentId: 'd2' },
      isStale: false,
    });
  });

  it('end a load that never answers at the hard one, and tell it', async () => {
    const { open } = setUp({ loadHardMs: 30 });
    const gateway = await open();
    let wasTold = false;
    const never = (signal: AbortSignal): Promise<Loaded<SiteRecord>> =>
      new Promise(() => signal.addEventListener('abort', () => (wasTold = true)));
    expect(await gateway.getWithFallback(keys.domain('a.example'), never)).toMatchObject({ kind: 'failed' });
    expect(wasTold).toBe(true);
  });

  it('let a caller go who no longer waits, while the load goes on for others', async () => {
    const { open } = setUp();
    const gateway = await open();
    const key = keys.domain('a.example');
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const slow = async (): Promise<Loaded<SiteRecord>> => {
      await held;
      return { kind: 'found', value: site('d1', 1) };
    };
    const controller = new AbortController();
    const impatient = gateway.getWithFallback(key, slow, { signal: controller.signal });
    controller.abort();
    expect(await impatient).toMatchObject({ kind: 'failed' });
    release();
    await settle();
    expect(await gateway.get(key)).toMatchObject({ kind: 'hit' });
  });
});

describe('collapsing', () => {
  it('never gives a caller without a lease an answer that began before it asked', async () => {
    const { open } = setUp();
    const reader = await open();
    const key = keys.domain('a.example');
    let truth = 'd1';
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let calls = 0;
    const loader = async (): Promise<Loaded<SiteRecord>> => {
      calls += 1;
      const read = truth;
      if (calls === 1) await held;
      return { kind: 'found', value: site(read) };
    };
    const first = reader.getWithFallback(key, loader);
    await settle();
    truth = 'd2';
    await reader.del([key]);
    const second = reader.getWithFallback(key, loader);
    release();
    expect(await first).toMatchObject({ value: { deploymentId: 'd1' } });
    expect(await second).toMatchObject({ value: { deploymentId: 'd2' } });
  });

  it('refreshes an entry in use before it ends, once', async () => {
    const { clock, open } = setUp();
    const gateway = await open({ holdsLease: true });
    const key = keys.domain('a.example');
    let loads = 0;
    const loader = async (): Promise<Loaded<SiteRecord>> => {
      loads += 1;
      return { kind: 'found', value: site('d1', 1) };
    };
    for (let second = 0; second < 1200; second += 1) {
      const answer = await gateway.getWithFallback(key, loader);
      expect(answer.kind === 'found' && answer.isStale).toBe(false);
      gateway.peek(key);
      await settle();
      clock.advance(SECOND);
    }
    // Four lifetimes of 270 to 300 s: each ended early, none twice.
    expect(loads).toBeGreaterThanOrEqual(4);
    expect(loads).toBeLessThanOrEqual(7);
  });
});

describe('the hot path', () => {
  it('is synchronous and allocates nothing that grows', async () => {
    const { open } = setUp();
    const gateway = await open({ holdsLease: true });
    const key = keys.domain('a.example');
    await gateway.getWithFallback(key, found('d1', 1));
    for (let times = 0; times < 200_000; times += 1) gateway.peek(key);
    const before = process.memoryUsage().heapUsed;
    for (let times = 0; times < 1_000_000; times += 1) gateway.peek(key);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1_048_576);
  });
});
