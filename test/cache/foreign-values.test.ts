import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { keys } from '../../cache/keys.ts';
import { createRegistry } from '../../core/metrics.ts';
import { site } from './cache-conformance.ts';
import { serverRig, until, type Rig } from './rigs.ts';

const key = keys.domain('a.example');

/** What other programs, or an older version of ours, may have left under a key. */
const FOREIGN: readonly (readonly [what: string, put: (admin: Redis) => Promise<unknown>])[] = [
  ['a list', (admin) => admin.rpush(key.name, 'a', 'b')],
  ['a hash', (admin) => admin.hset(key.name, 'field', 'value')],
  ['plain JSON', (admin) => admin.set(key.name, JSON.stringify({ deploymentId: 'd'.repeat(60) }))],
  ['text that sorts behind every number', (admin) => admin.set(key.name, 'z'.repeat(200))],
  ['a few bytes', (admin) => admin.set(key.name, 'zz')],
];

describe('what is none of ours under a key', () => {
  let rig: Rig;
  let admin: Redis;
  let cache: Cache;
  const registry = createRegistry();
  beforeAll(async () => {
    rig = await serverRig();
    const { server } = rig;
    if (server === undefined) throw new Error('no server');
    admin = server.admin();
    cache = await rig.open({}, { registry });
  });
  afterEach(() => admin.flushall());
  afterAll(() => rig.close());

  const found = async () => ({ kind: 'found' as const, value: site('d2', 2) });

  for (const [what, put] of FOREIGN) {
    it(`${what}: is replaced by what is set`, async () => {
      await put(admin);
      expect(await cache.set(key, site('d1', 1))).toEqual({ kind: 'stored' });
      expect(await cache.get(key)).toMatchObject({ kind: 'hit' });
    });

    it(`${what}: is ended by a purge, and keeps nothing later from being stored`, async () => {
      await put(admin);
      expect(await cache.invalidate(key, { rev: 2, isFirst: true })).toMatchObject({ isComplete: true });
      expect(await cache.getWithFallback(key, found)).toMatchObject({ kind: 'found', source: 'loader' });
      expect(await cache.get(key)).toMatchObject({ kind: 'hit', value: { deploymentId: 'd2' } });
    });

    it(`${what}: is a miss, counted, and replaced by what is loaded`, async () => {
      await put(admin);
      const before = await countUnparsable();
      expect(await cache.exists(key)).toMatchObject({ kind: 'hit', value: false });
      expect(await cache.getWithFallback(key, found)).toMatchObject({ kind: 'found', source: 'loader' });
      expect(await cache.get(key)).toMatchObject({ kind: 'hit', value: { deploymentId: 'd2' } });
      expect(await countUnparsable()).toBe(before + 1);
    });
  }

  it('gives way to a version of a tag, and to a list', async () => {
    await admin.rpush('tag:p:t', 'x');
    const versions = await cache.tagVersions('p', ['t']);
    expect(versions).toMatchObject({ kind: 'known' });
    expect(await cache.tagVersions('p', ['t'])).toEqual(versions);
    const logs = keys.buildLogs('b');
    const line = { timestamp: '', level: 'info', message: 'text' };
    await admin.set(logs.name, 'x');
    expect(await cache.readList(logs, 0)).toMatchObject({ kind: 'items', items: [] });
    expect(await cache.append(logs, [line])).toEqual({ kind: 'stored' });
    expect(await cache.readList(logs, 0)).toMatchObject({ items: [line] });
  });

  it('gives way to the registry of leases', async () => {
    await admin.set('bus', 'x');
    const gateway = await rig.open({}, { holdsLease: true });
    await until('the lease', () => gateway.holdsLease());
  });

  async function countUnparsable(): Promise<number> {
    const text = await registry.metrics();
    return Number(/^cache_unparsable_total\{.*family="domain".*\} (\d+)$/m.exec(text)?.[1] ?? 0);
  }
});

it('an entry whose header is damaged is a miss, and no answer with an age that is no number', async () => {
  const rig = await serverRig();
  try {
    const cache = await rig.open();
    const admin = rig.server?.admin();
    await cache.set(key, site('d1', 1));
    await admin?.setrange(key.name, 46, 'not a number ');
    expect(await cache.get(key)).toEqual({ kind: 'miss' });
    await until('it is removed', async () => (await admin?.exists(key.name)) === 0);
  } finally {
    await rig.close();
  }
});
