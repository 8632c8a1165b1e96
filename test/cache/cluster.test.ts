import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashSlot } from '../../cache/redis/hash-slot.ts';
import { keyNames } from '../../cache/redis/key-names.ts';
import { keys } from '../../cache/keys.ts';
import { cacheConformance, site } from './cache-conformance.ts';
import { listConformance } from './list-conformance.ts';
import { softPurgeConformance } from './soft-purge-conformance.ts';
import { clusterRig, until } from './rigs.ts';

describe('on a cluster of three primaries', () => cacheConformance(clusterRig));
describe('lists on a cluster of three primaries', () => listConformance(clusterRig));
describe('soft purges on a cluster of three primaries', () => softPurgeConformance(clusterRig));

describe('names on a cluster', () => {
  const names = keyNames('prod:', true);

  it('share a slot where one script or one owner needs them together', () => {
    expect(names.physical('deployment:42:config')).toBe('prod:deployment:{42}:config');
    expect(names.physical('domain:localhost:7777')).toBe('prod:domain:{localhost:7777}');
    const together = [
      ['deploy:lock:p:t', 'deploy:lock:p:t:fence'],
      ['deployment:1:config', 'deployment:1:metadata'],
      ['bus', 'bus:events', 'bus:acks'],
      ['lock:sweep', 'lock:sweep:fence'],
      ['user:1:projects', 'user:1:orgs'],
    ];
    for (const group of together) {
      expect(new Set(group.map((name) => hashSlot(names.physical(name)))).size).toBe(1);
    }
  });

  it('come back as they were', () => {
    const plain = [
      'domain:a.example',
      'github:token:1:2',
      'response:d:k',
      'tag:p:t',
      'gateway:g',
      'bus:events',
    ];
    for (const name of [...plain, 'tag:p:{x}', 'tag:p:a}:b{c', 'domain:a}b', 'deploy:lock:p:{x}:fence']) {
      expect(names.logical(names.physical(name))).toBe(name);
    }
    expect(names.logical('other:domain:x')).toBeUndefined();
  });

  it.each([
    ['123456789', 12_739],
    ['foo', 12_182],
    ['{user1000}.following', hashSlot('user1000')],
    ['foo{}{bar}', hashSlot('foo{}{bar}')],
  ])('have the slot that the servers compute: %s', (key, slot) => {
    expect(hashSlot(key)).toBe(slot);
  });
});

describe('a primary that dies', () => {
  let rig: Awaited<ReturnType<typeof clusterRig>>;
  beforeAll(async () => {
    rig = await clusterRig();
  });
  afterAll(() => rig.close());

  it(
    'costs no look-up of a known domain, and is used again when it is back',
    { timeout: 180_000 },
    async () => {
      const cache = await rig.open({ timeoutMs: 200, nearTtlMs: 10 }, { holdsLease: true, instance: 'g' });
      await until('the lease', () => cache.holdsLease());
      const hosts = Array.from({ length: 60 }, (_, index) => keys.domain(`h${index}.example`));
      let loads = 0;
      const askAll = () =>
        Promise.all(
          hosts.map((key) =>
            cache.getWithFallback(key, async () => {
              loads += 1;
              return { kind: 'found', value: site('d1', 1) };
            }),
          ),
        );
      // As many as one second admits.
      await until('all are known', async () => (await askAll()).every((answer) => answer.kind === 'found'));
      const victim = rig.cluster.primaries[1];
      await victim?.kill();
      for (let round = 0; round < 10; round += 1) {
        expect((await askAll()).filter((answer) => answer.kind !== 'found')).toEqual([]);
      }
      await victim?.restart();
      await until(
        'the shared cache serves all of them',
        async () => {
          loads = 0;
          const lookups = await Promise.all(hosts.map((key) => cache.get(key)));
          await askAll();
          return lookups.every((lookup) => lookup.kind === 'hit') && loads === 0 && cache.state() === 'up';
        },
        60_000,
      );
    },
  );
});
