import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { keys } from '../../cache/keys.ts';
import { generationTag, urlTag } from '../../cache/tags.ts';
import type { Cache } from '../../cache/cache.ts';
import type { CacheParts } from '../../cache/open-cache.ts';
import type { SiteRecord } from '../../contracts/site.ts';
import type { Rig } from './rigs.ts';
import { until } from './rigs.ts';

export function site(deploymentId: string, rev?: number): SiteRecord {
  const config = { version: 1, resources: [] };
  return { deploymentId, projectId: 'p1', config, ...(rev === undefined ? {} : { rev }) };
}

/** What every backend must do, seen through the client. */
export function cacheConformance(makeRig: () => Promise<Rig>): void {
  let rig: Rig;
  let writer: Cache;
  let reader: Cache;
  let gateway: Cache;
  let serial = 0;
  const fresh = (): string => `host-${(serial += 1)}.example`;
  /** One more gateway, which is gone when the test is over, however that ends. */
  const openPassing = async (parts: Partial<CacheParts>): Promise<Cache> => {
    const cache = await rig.open({}, { holdsLease: true, ...parts });
    onTestFinished(() => cache.close());
    return cache;
  };

  beforeAll(async () => {
    rig = await makeRig();
    writer = await rig.open();
    reader = await rig.open();
    gateway = await rig.open({}, { holdsLease: true, instance: 'gateway-1' });
    await until('the gateway holds a lease', () => gateway.holdsLease());
  });
  afterAll(() => rig.close());

  describe('values', () => {
    it('tells hit from miss, for false and empty values too', async () => {
      const exists = keys.deploymentExists(fresh());
      expect(await reader.get(exists)).toEqual({ kind: 'miss' });
      await writer.set(exists, false);
      expect(await reader.get(exists)).toMatchObject({ kind: 'hit', value: false });
      await writer.set(keys.userProjects('u1'), []);
      expect(await reader.get(keys.userProjects('u1'))).toMatchObject({ kind: 'hit', value: [] });
    });

    it('keeps binary values byte for byte up to 1 MiB, and refuses larger ones', async () => {
      const bytes = Buffer.alloc(1_048_576, 0xff);
      for (let index = 0; index < bytes.length; index += 7) bytes[index] = index % 256;
      const key = keys.response('d1', 'abc');
      expect(await writer.set(key, bytes)).toEqual({ kind: 'stored' });
      const found = await reader.get(key);
      expect(found.kind === 'hit' && found.value.equals(bytes)).toBe(true);
      const tooLarge = await writer.set(key, Buffer.alloc(1_048_577));
      expect(tooLarge).toEqual({ kind: 'refused', reason: 'too-large' });
    });

    it('compresses large JSON and gives it back unchanged', async () => {
      const key = keys.projectConfig('big');
      const value = {
        id: 'big',
        reference: 'r',
        name: 'ü'.repeat(50_000),
        organizationId: null,
        settings: {},
      };
      await writer.set(key, value);
      expect(await reader.get(key)).toMatchObject({ kind: 'hit', value });
    });

    it('reads many in the order asked for', async () => {
      await writer.set(keys.userOrgs('a'), ['1']);
      await writer.set(keys.userOrgs('c'), ['3']);
      const found = await reader.getMany([keys.userOrgs('a'), keys.userOrgs('b'), keys.userOrgs('c')]);
      expect(found.map((lookup) => lookup.kind)).toEqual(['hit', 'miss', 'hit']);
    });

    it('deletes, and says what exists', async () => {
      const key = keys.userOrgs('gone');
      await writer.set(key, ['1']);
      expect(await reader.exists(key)).toMatchObject({ kind: 'hit', value: true });
      expect(await writer.del([key])).toEqual({ kind: 'stored' });
      expect(await reader.exists(key)).toMatchObject({ kind: 'hit', value: false });
    });

    it('never throws, whatever it is given', async () => {
      const circular: Record<string, unknown> = {};
      circular['self'] = circular;
      const key = keys.projectConfig('circular');
      const value = { id: 'c', reference: 'r', name: 'n', organizationId: null, settings: circular };
      expect(await writer.set(key, value)).toMatchObject({ kind: 'error' });
      expect(await writer.set(keys.domain(fresh()), site('d', Number.NaN))).toMatchObject({ kind: 'error' });
      const loaded = await writer.getWithFallback(key, async () => ({ kind: 'found', value }));
      expect(loaded).toMatchObject({ kind: 'found', source: 'loader' });
      expect(await writer.invalidate(keys.domain(fresh()), { rev: Number.NaN })).toMatchObject({
        isComplete: false,
      });
    });

    it('does not store what has no lifetime left', async () => {
      const key = keys.githubToken('1', '2');
      const value = { sealedToken: 'x', expiresAt: '2020-01-01T00:00:00Z' };
      expect(await writer.set(key, value, { ttlMs: 0 })).toEqual({ kind: 'refused', reason: 'expired' });
    });
  });

  describe('revisions', () => {
    it('never replaces a higher one by a lower one or by one without a revision', async () => {
      const key = keys.domain(fresh());
      expect(await writer.set(key, site('d2', 2))).toEqual({ kind: 'stored' });
      const older = { kind: 'refused', reason: 'older-revision' };
      expect(await writer.set(key, site('d1', 1))).toEqual(older);
      expect(await writer.set(key, site('d0'))).toEqual(older);
      expect(await reader.get(key)).toMatchObject({ kind: 'hit', value: { deploymentId: 'd2' } });
      expect(await writer.set(key, site('d3', 3))).toEqual({ kind: 'stored' });
    });

    it('leaves a tombstone that refuses what is older than the purge', async () => {
      const key = keys.domain(fresh());
      await writer.set(key, site('d1', 1));
      await writer.invalidate(key, { rev: 2 });
      expect(await reader.get(key)).toEqual({ kind: 'miss' });
      expect(await writer.set(key, site('d1', 1))).toMatchObject({ kind: 'refused' });
      expect(await writer.set(key, site('d2', 2))).toEqual({ kind: 'stored' });
    });

    it('keeps what is at least as new as the purge', async () => {
      const key = keys.domain(fresh());
      await writer.set(key, site('d2', 2));
      await writer.invalidate(key, { rev: 2 });
      expect(await reader.get(key)).toMatchObject({ kind: 'hit', value: { deploymentId: 'd2' } });
    });
  });

  describe('loading', () => {
    it('loads once for many callers, and once for several processes', async () => {
      const key = keys.userProjects(fresh());
      let loads = 0;
      const loader = async () => {
        loads += 1;
        await new Promise((resolve) => setTimeout(resolve, 30));
        return { kind: 'found' as const, value: ['p'] };
      };
      const callers = [reader, writer, gateway].flatMap((cache) => Array.from({ length: 50 }, () => cache));
      const answers = await Promise.all(callers.map((cache) => cache.getWithFallback(key, loader)));
      expect(answers.every((answer) => answer.kind === 'found')).toBe(true);
      expect(loads).toBe(1);
    });

    it('remembers that there is no such thing, and forgets it when there is', async () => {
      const key = keys.domain(fresh());
      let loads = 0;
      const loader = async () => {
        loads += 1;
        return { kind: 'absent' as const };
      };
      expect(await reader.getWithFallback(key, loader)).toEqual({ kind: 'absent', source: 'loader' });
      expect(await gateway.getWithFallback(key, loader)).toMatchObject({ kind: 'absent', source: 'shared' });
      expect(loads).toBe(1);
      await writer.set(key, site('d1', 1));
      await writer.invalidate(key, { rev: 1 });
      const found = await gateway.getWithFallback(key, loader);
      expect(found).toMatchObject({ kind: 'found', value: { deploymentId: 'd1' } });
    });

    it('answers failed when the loader fails and nothing is known, and does not remember it', async () => {
      const key = keys.domain(fresh());
      const failing = async () => Promise.reject(new Error('no'));
      expect(await reader.getWithFallback(key, failing)).toMatchObject({ kind: 'failed' });
      const loader = async () => ({ kind: 'found' as const, value: site('d1', 1) });
      expect(await reader.getWithFallback(key, loader)).toMatchObject({ kind: 'found', source: 'loader' });
    });

    it('does not make others wait for a claim of which nothing came', async () => {
      const key = keys.userProjects('nobody');
      await writer.getWithFallback(key, async () => ({ kind: 'absent' }));
      const waitsBefore = (await reader.snapshot()).families['user-projects']?.claimWaits ?? 0;
      // Given up on the same connection, before this is answered.
      await writer.exists(key);
      expect(await reader.getWithFallback(key, async () => ({ kind: 'absent' }))).toMatchObject({
        kind: 'absent',
        source: 'loader',
      });
      const waits = (await reader.snapshot()).families['user-projects']?.claimWaits ?? 0;
      expect(waits).toBe(waitsBefore);
    });

    it('refuses a fill that began before a purge', async () => {
      const key = keys.domain(fresh());
      let release: () => void = () => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      let hasBegun: () => void = () => undefined;
      const begun = new Promise<void>((resolve) => (hasBegun = resolve));
      const slow = gateway.getWithFallback(key, async () => {
        hasBegun();
        await held;
        return { kind: 'found', value: site('old', 1) };
      });
      await begun;
      await writer.invalidate(key);
      release();
      await slow;
      expect(gateway.peek(key)).toBeUndefined();
      expect(await reader.get(key)).toEqual({ kind: 'miss' });
    });

    it('refuses a fill that began before somebody else deleted the key', async () => {
      const key = keys.userProjects('deleted');
      let release: () => void = () => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      let hasBegun: () => void = () => undefined;
      const begun = new Promise<void>((resolve) => (hasBegun = resolve));
      const slow = reader.getWithFallback(key, async () => {
        hasBegun();
        await held;
        return { kind: 'found', value: ['old'] };
      });
      await begun;
      await writer.del([key]);
      release();
      await slow;
      expect(await reader.get(key)).toEqual({ kind: 'miss' });
    });
  });

  describe('coherence', () => {
    it('serves a near copy under the lease, and drops it before an invalidation is complete', async () => {
      const key = keys.domain(fresh());
      await writer.set(key, site('d1', 1));
      await gateway.getWithFallback(key, () => Promise.reject(new Error('not needed')));
      expect(gateway.peek(key)?.deploymentId).toBe('d1');
      await writer.set(key, site('d2', 2));
      const done = await writer.invalidate(key, { rev: 2 });
      expect(done).toMatchObject({ isComplete: true, acknowledged: ['gateway-1'], expired: [] });
      expect(gateway.peek(key)).toBeUndefined();
      const found = await gateway.getWithFallback(key, () => Promise.reject(new Error('not needed')));
      expect(found).toMatchObject({ kind: 'found', value: { deploymentId: 'd2' } });
    });

    it('shows a gateway that is there, and no longer when it has left', async () => {
      const presence = { address: '10.0.0.7:7777', version: '1.2.3' };
      const passing = await openPassing({ instance: 'passing', presence });
      const key = keys.gateway('passing');
      await until('it is there', async () => (await reader.get(key)).kind === 'hit');
      expect(await reader.get(key)).toMatchObject({ kind: 'hit', value: presence });
      expect((await reader.snapshot()).gateways?.toSorted()).toEqual(['gateway-1', 'passing']);
      // What it says of itself may become known only later: which port it listens on.
      presence.address = '10.0.0.7:8888';
      await until('it is told', async () => {
        const found = await reader.get(key);
        return found.kind === 'hit' && found.value.address === presence.address;
      });
      await passing.close();
      expect((await reader.get(key)).kind).toBe('miss');
      expect((await reader.snapshot()).gateways).toEqual(['gateway-1']);
    });

    it('waits for each of two gateways that were given the same name', async () => {
      const twin = await openPassing({ instance: 'gateway-1' });
      await until('the lease', () => twin.holdsLease());
      const done = await writer.invalidate(keys.domain(fresh()));
      expect(done).toMatchObject({ isComplete: true, acknowledged: ['gateway-1', 'gateway-1'] });
    });

    it('lets a process without a lease keep no copy of a domain', async () => {
      const key = keys.domain(fresh());
      await writer.set(key, site('d1', 1));
      await reader.getWithFallback(key, () => Promise.reject(new Error('not needed')));
      expect(reader.peek(key)).toBeUndefined();
    });

    it('tells listeners which key was invalidated', async () => {
      const heard: unknown[] = [];
      const stop = gateway.onInvalidated((event) => heard.push(event));
      const key = keys.response('d9', 'x');
      await writer.invalidate(key);
      stop();
      expect(heard).toContainEqual({ kind: 'key', family: 'response', name: key.name });
    });

    it('keeps or ends each of many keys by its own revision', async () => {
      const [newer, older] = [keys.domain(fresh()), keys.domain(fresh())];
      await writer.set(newer, site('a', 5));
      await writer.set(older, site('b', 99));
      await writer.invalidateMany([newer, older], { revs: [5, 100] });
      expect(await reader.get(newer)).toMatchObject({ kind: 'hit', value: { rev: 5 } });
      expect(await reader.get(older)).toEqual({ kind: 'miss' });
    });

    it('acknowledges many keys with one announcement', async () => {
      const wanted = [keys.domain(fresh()), keys.domain(fresh())];
      expect(await writer.invalidateMany(wanted)).toMatchObject({
        isComplete: true,
        acknowledged: ['gateway-1'],
      });
    });
  });

  describe('tags', () => {
    it('keeps a version until the tag is purged, soft or hard', async () => {
      const first = await gateway.tagVersions('p1', ['a', 'b']);
      expect(first).toMatchObject({ kind: 'known' });
      expect(await reader.tagVersions('p1', ['a', 'b'])).toEqual(first);
      await until('a near copy', async () => {
        await gateway.tagVersions('p1', ['a', 'b']);
        return gateway.peekTagVersions('p1', ['a', 'b']) !== undefined;
      });
      const purged = await writer.purgeTag('p1', 'a', 'soft');
      expect(purged).toMatchObject({ isComplete: true, acknowledged: ['gateway-1'] });
      expect(gateway.peekTagVersions('p1', ['a', 'b'])).toBeUndefined();
      const second = await gateway.tagVersions('p1', ['a', 'b']);
      if (first.kind !== 'known' || second.kind !== 'known') throw new Error('unknown versions');
      expect(second.versions[0]?.split('.')[0]).toBe(first.versions[0]?.split('.')[0]);
      expect(second.versions[0]).not.toBe(first.versions[0]);
      expect(second.versions[1]).toBe(first.versions[1]);
    });

    it('changes the generation of a tag before the tag, and that of an address apart from all others', async () => {
      const project = 'p-generations';
      const [address, other] = [urlTag('hash-aa'), urlTag('hash-bb')];
      const names = ['*', generationTag(address), generationTag(other)];
      const versionsOf = async (): Promise<string[]> => {
        const found = await gateway.tagVersions(project, names, { isCurrent: true });
        if (found.kind !== 'known') throw new Error('unknown versions');
        return found.versions;
      };
      const before = await versionsOf();
      await writer.purgeTag(project, 'a');
      const afterTag = await versionsOf();
      expect(afterTag.map((version, index) => version === before[index])).toEqual([false, true, true]);
      await writer.purgeTag(project, address);
      const afterAddress = await versionsOf();
      expect(afterAddress.map((version, index) => version === afterTag[index])).toEqual([true, false, true]);
    });

    it('reads what the server has, whatever is near, when asked for what is current', async () => {
      const project = 'p-current';
      await until('a near copy', async () => {
        await gateway.tagVersions(project, ['a']);
        return gateway.peekTagVersions(project, ['a']) !== undefined;
      });
      const near = gateway.peekTagVersions(project, ['a']);
      // From outside, told to nobody.
      await writer.del([keys.tag(project, 'a')]);
      const current = await gateway.tagVersions(project, ['a'], { isCurrent: true });
      expect(current).toMatchObject({ kind: 'known' });
      expect(current).not.toEqual({ kind: 'known', versions: near });
    });
  });

  describe('locks', () => {
    it('has one owner at a time and a fence that grows', async () => {
      const key = keys.deployLock('p1', fresh());
      const first = await writer.lock(key);
      if (first.kind !== 'acquired') throw new Error('not acquired');
      expect(await reader.lock(key)).toEqual({ kind: 'taken' });
      expect(first.lock.isHeld()).toBe(true);
      await first.lock.release();
      const second = await reader.lock(key);
      if (second.kind !== 'acquired') throw new Error('not acquired');
      expect(second.lock.fence).toBeGreaterThan(first.lock.fence);
      await first.lock.release();
      expect(await writer.lock(key)).toEqual({ kind: 'taken' });
      await second.lock.release();
    });
  });
}
