import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cache, InvalidationEvent } from '../../cache/cache.ts';
import { parseCacheUrl } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import { createRegistry, type Registry } from '../../core/metrics.ts';
import { site } from './cache-conformance.ts';
import { serverRig, until, type Rig } from './rigs.ts';

const KEY = keys.domain('a.example');
const notNeeded = () => Promise.reject(new Error('not needed'));

describe('a gateway that may have missed messages of the bus', () => {
  let rig: Rig;
  let writer: Cache;
  let gateway: Cache;
  let registry: Registry;
  beforeAll(async () => {
    rig = await serverRig();
    registry = createRegistry();
    writer = await rig.open();
    gateway = await rig.open({ nearTtlMs: 60_000 }, { holdsLease: true, registry, instance: 'g' });
    await writer.set(KEY, site('d1', 1), { rev: 1 });
  });
  afterAll(() => rig.close());

  const eventsOf = async (event: string): Promise<number> => {
    const text = await registry.metrics();
    const line = new RegExp(`^cache_bus_events_total\\{service="origan",event="${event}"\\} (\\d+)$`, 'm');
    return Number(line.exec(text)?.[1] ?? 0);
  };
  const haveNearCopy = (): Promise<void> =>
    until('a near copy', async () => {
      await gateway.getWithFallback(KEY, notNeeded);
      return gateway.peek(KEY) !== undefined;
    });

  it('uses no near copy without having confirmed it, where a number is left out', async () => {
    await haveNearCopy();
    const before = await eventsOf('gap');
    // A message that was numbered and never arrived.
    await rig.server?.admin().hincrby('bus', 'seq', 1);
    await writer.invalidate(keys.domain('another.example'));
    expect(gateway.peek(KEY)).toBeUndefined();
    expect(await eventsOf('gap')).toBe(before + 1);
    expect(await gateway.getWithFallback(KEY, notNeeded)).toMatchObject({ kind: 'found', source: 'shared' });
    expect(gateway.peek(KEY)).toBeDefined();
  });

  it('nor where its heartbeat tells of numbers that it never saw', async () => {
    await haveNearCopy();
    const before = await eventsOf('gap');
    await rig.server?.admin().hincrby('bus', 'seq', 1);
    await until('the gap was noticed', async () => (await eventsOf('gap')) > before);
    await haveNearCopy();
  });

  it('nor where the registry began anew, or its connection was lost', async () => {
    await haveNearCopy();
    const admin = rig.server?.admin();
    const epochsBefore = await eventsOf('epoch');
    await admin?.del('bus');
    await until('the new epoch was noticed', async () => (await eventsOf('epoch')) > epochsBefore);
    await haveNearCopy();
    const lostBefore = await eventsOf('lost');
    await admin?.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await until('the loss was noticed', async () => (await eventsOf('lost')) > lostBefore);
    await until('the lease is back', () => gateway.holdsLease());
    await haveNearCopy();
  });
});

it('two databases of one server are two environments: neither hears of what the other ends', async () => {
  const rig = await serverRig();
  const url = `${rig.server?.url}/7`;
  const target = parseCacheUrl(url);
  if (target === undefined) throw new Error(`no cache URL: ${url}`);
  try {
    const [writer, other] = [await rig.open(), await rig.open({ target })];
    const gateway = await rig.open({ target }, { holdsLease: true });
    await until('the lease', () => gateway.holdsLease());
    const heard: InvalidationEvent[] = [];
    gateway.onInvalidated((event) => heard.push(event));
    await writer.invalidate(KEY, { isFirst: true });
    await other.invalidate(keys.domain('b.example'), { isFirst: true });
    expect(heard).toEqual([{ kind: 'key', family: 'domain', name: 'domain:b.example' }]);
  } finally {
    await rig.close();
  }
});
