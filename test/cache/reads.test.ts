import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { keys } from '../../cache/keys.ts';
import type { Loaded } from '../../cache/lookup.ts';
import type { SiteRecord } from '../../contracts/site.ts';
import { createRegistry, type Registry } from '../../core/metrics.ts';
import { manualClock } from '../support/manual-clock.ts';
import { site } from './cache-conformance.ts';
import { serverRig, until, type Rig } from './rigs.ts';

describe('reads on a server', () => {
  let rig: Rig;
  let registry: Registry;
  let writer: Cache;
  let reader: Cache;
  beforeAll(async () => {
    rig = await serverRig();
    registry = createRegistry();
    writer = await rig.open();
    reader = await rig.open({}, { registry });
  });
  afterAll(() => rig.close());

  const found = (deploymentId: string) => async (): Promise<Loaded<SiteRecord>> => ({
    kind: 'found',
    value: site(deploymentId, 1),
  });

  async function readsSent(): Promise<number> {
    const text = await registry.metrics();
    const line = /^cache_command_duration_seconds_count\{service="origan",command="mget"\} (\d+)$/m;
    return Number(line.exec(text)?.[1] ?? 0);
  }

  it('of many keys, and of many callers of one turn, take one round trip', async () => {
    const wanted = Array.from({ length: 50 }, (_, index) => keys.userOrgs(`u${index}`));
    await Promise.all(wanted.map((key) => writer.set(key, ['o'])));
    const before = await readsSent();
    expect((await reader.getMany(wanted)).every(({ kind }) => kind === 'hit')).toBe(true);
    expect(await readsSent()).toBe(before + 1);
    const alone = await Promise.all(wanted.map((key) => reader.get(key)));
    expect(alone.every(({ kind }) => kind === 'hit')).toBe(true);
    expect(await readsSent()).toBe(before + 2);
  });

  it('of what another process is loading do not wait for ever: they load for themselves', async () => {
    const key = keys.domain('slow.example');
    const begun = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const slow = writer.getWithFallback(key, async () => {
      begun.resolve();
      await held.promise;
      return { kind: 'found', value: site('d1', 1) };
    });
    await begun.promise;
    // While the first load is still held.
    expect(await reader.getWithFallback(key, found('d2'))).toMatchObject({
      source: 'loader',
      value: { deploymentId: 'd2' },
    });
    held.resolve();
    expect(await slow).toMatchObject({ value: { deploymentId: 'd1' } });
  });

  it('of large values are of what is stored compressed, of small ones of what is not', async () => {
    const config = (id: string, name: string) => ({
      id,
      reference: 'r',
      name,
      organizationId: null,
      settings: {},
    });
    await writer.set(keys.projectConfig('large'), config('large', 'name '.repeat(20_000)));
    await writer.set(keys.projectConfig('small'), config('small', 'name '.repeat(20)));
    const admin = rig.server?.admin();
    expect(await admin?.strlen('project:large:config')).toBeLessThan(2000);
    expect((await admin?.get('project:small:config'))?.endsWith('"settings":{}}')).toBe(true);
  });

  it('see a DEL by another program as a purge, within L1_TTL', async () => {
    const clock = manualClock(Date.now());
    const times = { nearTtlMs: 1000, leaseMs: 60_000 };
    const gateway = await rig.open(times, { holdsLease: true, clock });
    const key = keys.domain('deleted.example');
    await until('a near copy', async () => {
      await gateway.getWithFallback(key, found('d1'));
      return gateway.peek(key) !== undefined;
    });
    await rig.server?.admin().del(key.name);
    clock.advance(1000);
    expect(gateway.peek(key)).toBeUndefined();
    expect(await gateway.getWithFallback(key, found('d2'))).toMatchObject({
      source: 'loader',
      value: { deploymentId: 'd2' },
    });
    await gateway.close();
  });
});
