import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import type { Member, Registry } from '../../cache/backend.ts';
import { keys } from '../../cache/keys.ts';
import { LeaseHolders } from '../../cache/lease-holders.ts';
import { manualClock, type ManualClock } from '../support/manual-clock.ts';
import { site } from './cache-conformance.ts';
import { serverRig, until, type Rig } from './rigs.ts';

const LEASE_MS = 15_000;
const FIRST_LEASE_MS = 5000;
const HOUR_MS = 3_600_000;

describe('who may hold a lease, when the registry was lost', () => {
  let clock: ManualClock;
  let holders: LeaseHolders;
  beforeEach(() => {
    clock = manualClock();
    holders = new LeaseHolders(clock, LEASE_MS);
  });

  const registry = (epoch: string, ageMs: number, names: readonly string[]): Registry => ({
    epoch,
    sinceMs: clock.nowMs() - ageMs,
    seq: 1,
    members: names.map((instance): Member => ({ instance, nonce: 'n', acked: 0, epoch, leaseMs: LEASE_MS })),
  });
  const look = (seen: Registry | undefined): void => holders.observe(seen, clock.monotonicMs());
  const strangersForMs = (): number => Math.max(0, holders.strangersUntilMs - clock.monotonicMs());

  it('nobody unknown, where the registry is older than a lease', () => {
    look(registry('e1', HOUR_MS, ['a']));
    expect(strangersForMs()).toBe(0);
    expect(holders.missing()).toEqual([]);
  });

  it('anybody, where it was never read before', () => {
    look(registry('e1', 0, ['a']));
    expect(strangersForMs()).toBe(LEASE_MS);
  });

  it('anybody, where there is none and never was one seen', () => {
    look(undefined);
    expect(strangersForMs()).toBe(LEASE_MS);
  });

  it('those that were in it and have not come back, and newcomers for the length of a first lease', () => {
    look(registry('e1', HOUR_MS, ['a', 'b']));
    clock.advance(1000);
    look(registry('e2', 500, ['b']));
    expect(strangersForMs()).toBe(FIRST_LEASE_MS);
    expect(holders.missing()).toEqual(['a']);
    look(registry('e2', 500, ['a', 'b']));
    expect(holders.missing()).toEqual([]);
    expect(strangersForMs()).toBe(FIRST_LEASE_MS);
  });

  it('the same where a clock that is behind began the new one', () => {
    look(registry('e1', HOUR_MS, ['a', 'b']));
    clock.advance(1000);
    look(registry('e2', HOUR_MS, ['b']));
    expect(strangersForMs()).toBe(FIRST_LEASE_MS);
    expect(holders.missing()).toEqual(['a']);
  });

  it('those that do not come back for no longer than a lease', () => {
    look(registry('e1', HOUR_MS, ['a']));
    clock.advance(1000);
    look(registry('e2', 0, []));
    clock.advance(LEASE_MS - 1);
    expect(holders.isMissing('a')).toBe(true);
    clock.advance(1);
    expect(holders.isMissing('a')).toBe(false);
  });

  it('anybody, where it was last read longer ago than a newcomer stays one', () => {
    look(registry('e1', HOUR_MS, ['a']));
    clock.advance(FIRST_LEASE_MS);
    look(registry('e2', 0, ['a']));
    expect(strangersForMs()).toBe(LEASE_MS);
  });

  it('the same when it is lost twice: what the first time left is not forgotten', () => {
    look(registry('e1', HOUR_MS, ['a']));
    clock.advance(FIRST_LEASE_MS);
    look(undefined);
    clock.advance(1000);
    look(registry('e3', 0, ['b']));
    expect(strangersForMs()).toBe(LEASE_MS - 1000);
    expect(holders.missing()).toEqual(['a']);
    clock.advance(1000);
    look(undefined);
    expect(holders.missing().toSorted()).toEqual(['a', 'b']);
  });
});

describe('a flip after the registry was lost', () => {
  const leaseMs = 3000;
  let rig: Rig;
  let gateway: Cache;
  let writer: Cache;
  beforeAll(async () => {
    rig = await serverRig();
    writer = await rig.open({ leaseMs }, { watchesLeases: true });
    gateway = await rig.open({ leaseMs, nearTtlMs: 60_000 }, { holdsLease: true, instance: 'gateway-1' });
    await until('the lease', () => gateway.holdsLease());
  });
  afterAll(() => rig.close());

  it('waits for newcomers only, and for those that were there until they are back', async () => {
    const key = keys.domain('a.example');
    await writer.set(key, site('d1', 1), { rev: 1 });
    // Of the first registry nobody knows what was before it.
    expect(await writer.invalidate(key, { rev: 1 })).toMatchObject({ isComplete: true });
    await until('a near copy', async () => {
      await gateway.get(key);
      return gateway.peek(key) !== undefined;
    });
    await rig.server?.admin().flushall();
    await writer.set(key, site('d2', 2), { rev: 2 });
    const flip = await writer.invalidate(key, { rev: 2 });
    expect(flip).toMatchObject({ isComplete: true, acknowledged: ['gateway-1'], expired: [] });
    expect(flip.durationMs).toBeLessThan(leaseMs);
    expect(gateway.peek(key)?.deploymentId).not.toBe('d1');
  });
});
