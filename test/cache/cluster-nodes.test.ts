import { Cluster, type Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keys } from '../../cache/keys.ts';
import { hashSlot } from '../../cache/redis/hash-slot.ts';
import { learnIncarnations } from '../../cache/redis/incarnations.ts';
import { silentLogger } from '../../core/log.ts';
import { site } from './cache-conformance.ts';
import { clusterRig, until } from './rigs.ts';

const MIB = 1_048_576;

describe('the nodes of a cluster', () => {
  let rig: Awaited<ReturnType<typeof clusterRig>>;
  beforeAll(async () => {
    rig = await clusterRig();
  });
  afterAll(() => rig.close());

  it('are watched once, however often they are asked who they are', async () => {
    const [node] = rig.cluster.primaries;
    const cluster = new Cluster([{ host: node?.host ?? '', port: node?.port ?? 0 }]);
    const countListeners = (): number[] => [
      cluster.listenerCount('+node'),
      ...cluster.nodes('all').map((one) => one.listenerCount('close') + one.listenerCount('ready')),
    ];
    try {
      await until('it is connected', () => cluster.status === 'ready');
      await learnIncarnations(cluster);
      const before = countListeners();
      for (let round = 0; round < 5; round += 1) await learnIncarnations(cluster);
      expect(countListeners()).toEqual(before);
    } finally {
      cluster.disconnect();
    }
  });

  it('are one server to who reads their figures', async () => {
    for (const [index, primary] of rig.cluster.primaries.entries()) {
      await primary.admin().config('SET', 'maxmemory', (index + 1) * 100 * MIB);
    }
    const cache = await rig.open();
    expect((await cache.snapshot()).server).toMatchObject({ memoryLimitBytes: 600 * MIB });
  });

  it(
    'are down when none of them answers, and it is said; up when one does',
    { timeout: 60_000 },
    async () => {
      const lines: string[] = [];
      const log = silentLogger();
      log.warn = (...args: unknown[]) => void lines.push(String(args.at(-1)));
      log.info = log.warn;
      const cache = await rig.open({ timeoutMs: 300 }, { log });
      const owners = Array.from({ length: 30 }, (_, index) => keys.userOrgs(`u${index}`));
      const askAll = () => Promise.all(owners.map((key) => cache.get(key)));
      await until('all answer', async () => (await askAll()).every(({ kind }) => kind === 'miss'));
      expect(cache.state()).toBe('up');
      for (const primary of rig.cluster.primaries) primary.pause();
      try {
        await until('it is down', async () => (await askAll()) && cache.state() === 'down');
      } finally {
        for (const primary of rig.cluster.primaries) primary.resume();
      }
      await until('it is up', async () => (await askAll()) && cache.state() === 'up');
      expect(lines.filter((line) => line === 'a node of the cache is down').length).toBeGreaterThanOrEqual(3);
      expect(lines).toContain('the cache is down');
      expect(lines.at(-1)).toMatch(/is up$/);
    },
  );

  it(
    'may hand over the slot of the bus, and that of a domain, between two flips',
    { timeout: 60_000 },
    async () => {
      const cache = await rig.open();
      const gateway = await rig.open({}, { holdsLease: true, instance: 'g' });
      await until('the lease', () => gateway.holdsLease());
      const key = keys.domain('a.example');
      await cache.set(key, site('d1', 1));
      const [from, to] = await moveSlots(['{bus}', '{a.example}']);
      expect(from).not.toBe(to);
      await until('a flip is acknowledged', async () => {
        await cache.set(key, site('d2', 2));
        const { acknowledged } = await cache.invalidate(key, { rev: 2 });
        return acknowledged.includes('g');
      });
      await until('the lease', () => gateway.holdsLease());
      // What stands there is believed, or loaded anew, once it is known which node has it now.
      await until('the gateway reads it there', async () => {
        await gateway.getWithFallback(key, async () => ({ kind: 'found', value: site('d2', 2) }));
        return (await gateway.get(key)).kind === 'hit';
      });
      expect(await gateway.get(key)).toMatchObject({ value: { deploymentId: 'd2' } });
    },
  );

  /** Moves each slot, keys included, from the primary that has it to the next one, as `redis-cli --cluster reshard` does. */
  async function moveSlots(tags: readonly string[]): Promise<readonly [string, string]> {
    const admins = rig.cluster.primaries.map((primary) => primary.admin());
    const ids = await Promise.all(admins.map(async (admin) => String(await admin.call('CLUSTER', 'MYID'))));
    let moved: readonly [string, string] = ['', ''];
    for (const slot of tags.map(hashSlot)) {
      const owner = Math.min(2, Math.floor((slot * 3) / 16_384));
      const next = (owner + 1) % 3;
      const [source, target] = [admins[owner], admins[next]];
      if (source === undefined || target === undefined) throw new Error('no such node');
      const [sourceId = '', targetId = ''] = [ids[owner], ids[next]];
      await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', sourceId);
      await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', targetId);
      await moveKeys(source, slot, rig.cluster.primaries[next]?.port ?? 0);
      for (const admin of [target, source]) await admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', targetId);
      moved = [sourceId, targetId];
    }
    return moved;
  }

  async function moveKeys(source: Redis, slot: number, port: number): Promise<void> {
    for (;;) {
      const names = (await source.call('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as string[];
      if (names.length === 0) return;
      await source.call('MIGRATE', '127.0.0.1', port, '', 0, 5000, 'KEYS', ...names);
    }
  }
});
