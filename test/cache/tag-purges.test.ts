import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { tagState } from '../../cache/tags.ts';
import { clusterRig, memoryRig, serverRig, type Rig } from './rigs.ts';

const ROUNDS = 40;

describe.each([
  ['memory', memoryRig],
  ['a server', serverRig],
  ['a cluster', clusterRig],
] as const)('purges of one tag at the same time, on %s', (_name, openRig) => {
  let rig: Rig;
  let first: Cache;
  let second: Cache;
  beforeAll(async () => {
    rig = await openRig();
    [first, second] = await Promise.all([rig.open(), rig.open()]);
  });
  afterAll(() => rig.close());

  const versions = async (): Promise<string[]> => {
    const found = await first.tagVersions('p', ['t'], { isCurrent: true });
    if (found.kind !== 'known') throw new Error('unknown versions');
    return found.versions;
  };

  it('a soft one never undoes a hard one', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const before = await versions();
      // In both orders, so that either may be the one that reads first.
      const purges = [
        () => first.purgeTag('p', 't', 'soft'),
        () => second.purgeTag('p', 't', 'hard'),
        () => second.purgeTag('p', 't', 'soft'),
      ];
      const done = await Promise.all(
        (round % 2 === 0 ? purges : purges.toReversed()).map((purge) => purge()),
      );
      expect(done.map(({ isComplete }) => isComplete)).toEqual([true, true, true]);
      expect(tagState(before, await versions())).toBe('purged');
    }
  });

  it('soft ones leave what carries the tag stale, not gone', async () => {
    const before = await versions();
    const purges = Array.from({ length: 10 }, (_, index) =>
      (index % 2 === 0 ? first : second).purgeTag('p', 't', 'soft'),
    );
    const done = await Promise.all(purges);
    expect(done.every(({ isComplete }) => isComplete)).toBe(true);
    expect(tagState(before, await versions())).toBe('stale');
  });
});
