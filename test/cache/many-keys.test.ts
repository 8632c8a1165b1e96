import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keys, type CacheKey } from '../../cache/keys.ts';
import { serverRig, until, type Rig } from './rigs.ts';

const HOW_MANY = 12_000;

describe('thousands of keys at once', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await serverRig();
  });
  afterAll(() => rig.close());

  // Fewer commands may be under way than there are keys: who sent all of them at once would be told so.
  it('are purged, read and deleted with a bounded number of commands under way', async () => {
    const cache = await rig.open({ maxInFlight: 100 });
    const gateway = await rig.open({}, { holdsLease: true });
    await until('the lease', () => gateway.holdsLease());
    const hosts = Array.from({ length: HOW_MANY }, (_, index) => keys.domain(`h${index}.example`));
    const heard: string[] = [];
    gateway.onInvalidated((event) => event.kind === 'key' && heard.push(event.name));
    expect(await cache.invalidateMany(hosts, { isFirst: true })).toMatchObject({ isComplete: true });
    expect(heard).toHaveLength(HOW_MANY);
    expect(await kindsOf(cache.getMany(hosts))).toEqual(['miss']);
    expect(await cache.del(hosts)).toEqual({ kind: 'stored' });
    expect(cache.state()).toBe('up');
    expect(await rig.server?.admin().dbsize()).toBeLessThan(100);
  });

  it('are warmed a few at a time, so that large values hold up no request', async () => {
    const cache = await rig.open({ maxInFlight: 2 });
    const wanted: CacheKey<Buffer>[] = Array.from({ length: 300 }, (_, index) =>
      keys.response('d1', `r${index}`),
    );
    for (const key of wanted) await cache.set(key, Buffer.alloc(10));
    expect(await cache.warm(wanted)).toBe(300);
  });
});

async function kindsOf(lookups: Promise<{ kind: string }[]>): Promise<string[]> {
  return [...new Set((await lookups).map(({ kind }) => kind))];
}
