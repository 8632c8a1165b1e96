import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { tagState } from '../../cache/tags.ts';
import { clusterRig, memoryRig, serverRig, until, type Rig } from './rigs.ts';

const ROUNDS = 40;

describe.each([
  ['memory', memoryRig],
  ['a server', serverRig],
  ['a cluster', clusterRig],
] as const)('purges of one tag at the same time, on %s', (_name, openRig) => {
  let rig: Rig;
  let first: Cache;
  let second: Cache;
  let attempts = 0;
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

  it('where nobody read the version only the generation changes, and nobody is told; else both do', async () => {
    // Of which nobody has read anything, also where this test is run once more.
    const project = `q${(attempts += 1)}`;
    const gateway = await rig.open({}, { holdsLease: true });
    await until('the lease', () => gateway.holdsLease());
    const told: string[] = [];
    gateway.onInvalidated((event) => void (event.kind === 'key' && told.push(event.name)));
    const current = async (tag: string): Promise<string> => {
      const found = await second.tagVersions(project, [tag], { isCurrent: true });
      if (found.kind !== 'known') throw new Error('unknown versions');
      return String(found.versions[0]);
    };
    const before = await current('* zz');
    expect(await first.purgeTagIfRead(project, 'url azz')).toBe(true);
    const between = await current('* zz');
    expect(between).not.toBe(before);
    expect(told).toEqual([]);
    const version = await current('url azz');
    expect(await first.purgeTagIfRead(project, 'url azz')).toBe(true);
    expect(tagState([version, between], [await current('url azz'), await current('* zz')])).toBe('purged');
    expect(told).toEqual([`tag:${project}:* zz`, `tag:${project}:url azz`]);
  });

  it('who first reads a version and then an unchanged generation has it from before any purge', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const [tag, generation] = [`url ${round}yy`, '* yy'];
      const known = await first.tagVersions('r', [generation], { isCurrent: true });
      const purge = Promise.all([second.purgeTagIfRead('r', tag), second.purgeTag('r', `url other${round}`)]);
      const found = await first.tagVersions('r', [tag, generation], { isCurrent: true });
      await purge;
      if (known.kind !== 'known' || found.kind !== 'known') throw new Error('unknown versions');
      const after = await first.tagVersions('r', [tag], { isCurrent: true });
      const isUnchanged = found.versions[1] === known.versions[0];
      const isSame = after.kind === 'known' && after.versions[0] === found.versions[0];
      // Either the purge is seen at once, by the generation, or later, by the version.
      expect(isUnchanged && isSame).toBe(false);
    }
  });
});
