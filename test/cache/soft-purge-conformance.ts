import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cache, Loader } from '../../cache/cache.ts';
import { deploymentTag, tagState } from '../../cache/tags.ts';
import { keys, keysOfDeployment, type CacheKey } from '../../cache/keys.ts';
import type { SiteRecord } from '../../contracts/site.ts';
import { site } from './cache-conformance.ts';
import { until, type Rig } from './rigs.ts';

const SOFT = { mode: 'soft' } as const;

/** What a soft purge must do on every backend: by key, by domain, by deployment, for a process with near copies and without. */
export function softPurgeConformance(makeRig: () => Promise<Rig>): void {
  let rig: Rig;
  let writer: Cache;
  let reader: Cache;
  let gateway: Cache;
  let serial = 0;
  const fresh = (): CacheKey<SiteRecord> => keys.domain(`soft-${(serial += 1)}.example`);

  beforeAll(async () => {
    rig = await makeRig();
    writer = await rig.open();
    // Whoever refreshes waits for so long that a stale answer says that somebody else is refreshing.
    reader = await rig.open({ loadSoftMs: 60_000 });
    gateway = await rig.open({ loadSoftMs: 60_000 }, { holdsLease: true, instance: 'gateway-1' });
    await until('the gateway holds a lease', () => gateway.holdsLease());
  });
  afterAll(() => rig.close());

  /** Stored, and near in the gateway. */
  async function keepNear(key: CacheKey<SiteRecord>, value: SiteRecord): Promise<void> {
    await writer.set(key, value);
    await until('a near copy', async () => {
      await gateway.get(key);
      return gateway.peek(key) !== undefined;
    });
  }

  describe('soft purges of keys', () => {
    it('end near copies before they are acknowledged, and leave a stale value in every process', async () => {
      const key = fresh();
      await keepNear(key, site('d1', 1));
      const done = await writer.invalidate(key, SOFT);
      expect(done).toMatchObject({ isComplete: true, acknowledged: ['gateway-1'], expired: [] });
      expect(gateway.peek(key)).toBeUndefined();
      for (const cache of [writer, reader, gateway]) {
        expect(await cache.get(key)).toMatchObject({ kind: 'hit', tier: 'shared', isStale: true });
      }
      expect(gateway.peek(key)).toBeUndefined();
      expect(await reader.exists(key)).toMatchObject({ value: true });
    });

    it('let one process refresh while all others serve what there is', async () => {
      const key = fresh();
      await keepNear(key, site('d1', 1));
      await writer.invalidate(key, SOFT);
      const load = heldLoader(site('d2', 2));
      const first = reader.getWithFallback(key, load.loader);
      await load.begun;
      for (const cache of [writer, gateway]) {
        const found = await cache.getWithFallback(key, () => Promise.reject(new Error('two refreshes')));
        expect(found).toMatchObject({ kind: 'found', isStale: true, value: { deploymentId: 'd1' } });
      }
      load.release();
      expect(await first).toMatchObject({ source: 'loader', isStale: false, value: { deploymentId: 'd2' } });
      expect(await gateway.get(key)).toMatchObject({ isStale: false, value: { deploymentId: 'd2' } });
      expect(load.count()).toBe(1);
    });

    it('serve what there is where the source fails, and do not call it last known good', async () => {
      const key = fresh();
      await writer.set(key, site('d1', 1));
      await writer.invalidate(key, SOFT);
      const found = await gateway.getWithFallback(key, () => Promise.reject(new Error('down')));
      expect(found).toMatchObject({ kind: 'found', isStale: true, isLastKnownGood: false });
    });

    it('refuse fills that began before them', async () => {
      const key = fresh();
      await writer.set(key, site('d1', 1));
      await writer.invalidate(key, SOFT);
      const load = heldLoader(site('d1', 1));
      const slow = gateway.getWithFallback(key, load.loader);
      await load.begun;
      await writer.invalidate(key, SOFT);
      load.release();
      await slow;
      expect(gateway.peek(key)).toBeUndefined();
      expect(await reader.get(key)).toMatchObject({ isStale: true });
      const again = heldLoader(site('d2', 2));
      again.release();
      expect(await gateway.getWithFallback(key, again.loader)).toMatchObject({ source: 'loader' });
      expect(await reader.get(key)).toMatchObject({ isStale: false, value: { deploymentId: 'd2' } });
    });

    it('refuse the fill of a key that nothing was stored under yet', async () => {
      const key = fresh();
      const load = heldLoader(site('old', 1));
      const slow = gateway.getWithFallback(key, load.loader);
      await load.begun;
      await writer.invalidate(key, SOFT);
      load.release();
      await slow;
      expect(gateway.peek(key)).toBeUndefined();
      expect(await reader.get(key)).toEqual({ kind: 'miss' });
    });

    it('never undo a hard one, nor what it refuses', async () => {
      const key = fresh();
      await writer.set(key, site('d1', 1));
      await writer.invalidate(key, { rev: 5 });
      await writer.invalidate(key, SOFT);
      await writer.invalidate(key, { ...SOFT, rev: 2 });
      expect(await reader.get(key)).toEqual({ kind: 'miss' });
      expect(await writer.set(key, site('d4', 4))).toEqual({ kind: 'refused', reason: 'older-revision' });
    });

    it('are undone by no hard one that came at the same time', async () => {
      for (let round = 0; round < 20; round += 1) {
        const key = fresh();
        await writer.set(key, site('d1', 1));
        const purges = [() => writer.invalidate(key, SOFT), () => reader.invalidate(key)];
        await Promise.all((round % 2 === 0 ? purges : purges.toReversed()).map((purge) => purge()));
        expect(await reader.get(key)).toEqual({ kind: 'miss' });
      }
    });

    it('end in a hard one, whatever revision they raised the value to', async () => {
      const key = fresh();
      await writer.set(key, site('d3', 3));
      await writer.invalidate(key, { ...SOFT, rev: 5 });
      await writer.invalidate(key, { rev: 5 });
      expect(await reader.get(key)).toEqual({ kind: 'miss' });
    });

    it('keep what is at least as new, and refuse what is older than their revision', async () => {
      const [newer, older] = [fresh(), fresh()];
      await writer.set(newer, site('d5', 5));
      await writer.set(older, site('d3', 3));
      await writer.invalidateMany([newer, older], { ...SOFT, revs: [5, 5] });
      expect(await reader.get(newer)).toMatchObject({ isStale: false });
      expect(await reader.get(older)).toMatchObject({ isStale: true, value: { deploymentId: 'd3' } });
      expect(await writer.set(older, site('d4', 4))).toEqual({ kind: 'refused', reason: 'older-revision' });
      expect(await writer.set(older, site('d5', 5))).toEqual({ kind: 'stored' });
      expect(await reader.get(older)).toMatchObject({ isStale: false, value: { deploymentId: 'd5' } });
    });

    it('of a domain never bring back what a flip replaced', async () => {
      const key = fresh();
      await keepNear(key, site('d1', 1));
      await writer.invalidate(key, SOFT);
      await writer.set(key, site('d2', 2));
      await writer.invalidate(key, { rev: 2 });
      await writer.invalidate(key, SOFT);
      const found = await gateway.getWithFallback(key, () => Promise.reject(new Error('down')));
      expect(found).toMatchObject({ isStale: true, value: { deploymentId: 'd2' } });
    });

    it('of what may not be served past its freshness end it', async () => {
      const [orgs, nothing] = [keys.userOrgs('u1'), fresh()];
      await writer.set(orgs, ['o1']);
      await writer.getWithFallback(nothing, async () => ({ kind: 'absent' }));
      await writer.invalidateMany([orgs, nothing], SOFT);
      expect(await reader.get(orgs)).toEqual({ kind: 'miss' });
      expect(await reader.get(nothing)).toEqual({ kind: 'miss' });
    });

    it('of a deployment leave its manifest and its responses stale', async () => {
      const manifest = site('d1').config;
      const before = await reader.tagVersions('p1', [deploymentTag('d1')]);
      await writer.set(keys.deploymentConfig('d1'), manifest);
      await until('a near copy', async () => {
        await gateway.get(keys.deploymentConfig('d1'));
        return gateway.peek(keys.deploymentConfig('d1')) !== undefined;
      });
      await writer.invalidateMany(keysOfDeployment('d1'), SOFT);
      await writer.purgeTag('p1', deploymentTag('d1'), 'soft');
      expect(gateway.peek(keys.deploymentConfig('d1'))).toBeUndefined();
      expect(await gateway.get(keys.deploymentConfig('d1'))).toMatchObject({ isStale: true });
      const after = await reader.tagVersions('p1', [deploymentTag('d1')], { isCurrent: true });
      if (before.kind !== 'known' || after.kind !== 'known') throw new Error('unknown versions');
      expect(tagState(before.versions, after.versions)).toBe('stale');
    });
  });
}

/** A loader that answers when it is told to. */
function heldLoader(value: SiteRecord): {
  loader: Loader<SiteRecord>;
  begun: Promise<void>;
  release: () => void;
  count: () => number;
} {
  const begun = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  let loads = 0;
  const loader = async (): Promise<{ kind: 'found'; value: SiteRecord }> => {
    loads += 1;
    begun.resolve();
    await held.promise;
    return { kind: 'found', value };
  };
  return { loader, begun: begun.promise, release: held.resolve, count: () => loads };
}
