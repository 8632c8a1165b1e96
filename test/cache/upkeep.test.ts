import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRegistry } from '../../core/metrics.ts';
import { keys } from '../../cache/keys.ts';
import { site } from './cache-conformance.ts';
import { memoryRig, serverRig, until, type Rig } from './rigs.ts';

const notNeeded = () => Promise.reject(new Error('not needed'));

describe.each([
  ['in memory', memoryRig],
  ['on a server', serverRig],
])('%s', (_name, makeRig) => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
  });
  afterAll(() => rig.close());

  it('warms a new gateway with what others used most, and all of them before a flip', async () => {
    const writer = await rig.open();
    const old = await rig.open({}, { holdsLease: true, instance: 'old' });
    await until('the lease', () => old.holdsLease());
    const key = keys.deploymentExists('unrelated');
    await writer.set(keys.domain('hot.example'), site('d1', 1));
    await writer.set(key, true);
    await old.getWithFallback(keys.domain('hot.example'), notNeeded);
    for (let times = 0; times < 10; times += 1) old.peek(keys.domain('hot.example'));
    await old.close();

    const young = await rig.open({}, { holdsLease: true, instance: 'young' });
    await until('the lease', () => young.holdsLease());
    await until('it is warm', () => young.peek(keys.domain('hot.example'))?.deploymentId === 'd1');
    expect(await young.warmHot()).toBe(1);

    const metadata = {
      deploymentId: 'd2',
      projectId: 'p',
      environmentRevisionId: null,
      createdAt: '2026-01-01T00:00:00Z',
    };
    await writer.set(keys.deploymentMetadata('d2'), metadata);
    await writer.warmEverywhere([keys.deploymentMetadata('d2')]);
    await until('the gateway has fetched it', () => young.peek(keys.deploymentMetadata('d2')) !== undefined);
  });

  it('sweeps orphans: says first, removes then, one process at a time', async () => {
    const cache = await rig.open();
    for (let index = 0; index < 30; index += 1) await cache.set(keys.deploymentExists(`s${index}`), true);
    const areOrphans = async (names: readonly string[]) =>
      names.map((name) => /^deployment:s\d*[02468]:/.test(name));
    const options = { pattern: 'deployment:s*', areOrphans, perSecond: 100_000 };
    const dry = await cache.sweep(options);
    expect(dry).toMatchObject({ kind: 'swept', scanned: 30, removed: 0 });
    expect(dry.kind === 'swept' && dry.orphans.length).toBe(15);
    expect(await cache.exists(keys.deploymentExists('s2'))).toMatchObject({ value: true });
    const other = await rig.open();
    const both = await Promise.all([cache, other].map((each) => each.sweep({ ...options, isDryRun: false })));
    expect(both.map((report) => report.kind).toSorted()).toEqual(['busy', 'swept']);
    expect(both).toContainEqual(expect.objectContaining({ kind: 'swept', removed: 15 }));
    expect(await cache.exists(keys.deploymentExists('s2'))).toMatchObject({ value: false });
    expect(await cache.exists(keys.deploymentExists('s1'))).toMatchObject({ value: true });
  });

  it('looks at so many keys a second and no more, whatever their names', async () => {
    const cache = await rig.open();
    const many = Array.from({ length: 1000 }, (_, index) => keys.userOrgs(`slow${index}`));
    await Promise.all(many.map((key) => cache.set(key, [])));
    const startedAtMs = performance.now();
    const report = await cache.sweep({
      pattern: 'nothing:*',
      perSecond: 4000,
      areOrphans: async (names) => names.map(() => true),
    });
    expect(report).toMatchObject({ kind: 'swept', scanned: 0 });
    // Three pages are waited for in any case, however many keys each of them holds; a timer is a little early at times.
    expect(performance.now() - startedAtMs).toBeGreaterThan(rig.server === undefined ? 40 : 140);
  });

  it('exposes what it counts, by family and tier, from several caches in one registry', async () => {
    const registry = createRegistry();
    const gateway = await rig.open({}, { registry, service: 'gateway', holdsLease: true });
    const runner = await rig.open({}, { registry, service: 'runner' });
    await runner.set(keys.userOrgs('m'), ['o']);
    await runner.get(keys.userOrgs('m'));
    await runner.get(keys.userOrgs('unknown'));
    await gateway.get(keys.userOrgs('m'));
    await runner.set(keys.domain('m.example'), site('d2', 2));
    await runner.set(keys.domain('m.example'), site('d1', 1));
    await runner.getWithFallback(keys.domain('n.example'), async () => {
      await runner.del([keys.domain('n.example')]);
      return { kind: 'found', value: site('d1', 1) };
    });
    await runner.exists(keys.buildStatus('none'));
    // Made, read, and read again from memory.
    await runner.tagVersions('p', ['counted']);
    await until('a near copy', async () => {
      await gateway.tagVersions('p', ['counted']);
      return gateway.peekTagVersions('p', ['counted']) !== undefined;
    });
    const text = await registry.metrics();
    expect(text).toMatch(looked('runner', 'build-status', 'shared', 'miss'));
    expect(text).toMatch(looked('runner', 'tag', 'shared', 'miss'));
    expect(text).toMatch(looked('gateway', 'tag', 'shared', 'hit'));
    expect(text).toMatch(looked('gateway', 'tag', 'near', 'hit'));
    const line = (service: string, outcome: string) =>
      `cache_lookups_total{service="${service}",family="user-orgs",tier="shared",outcome="${outcome}"} 1`;
    expect(text).toContain(line('runner', 'hit'));
    expect(text).toContain(line('runner', 'miss'));
    expect(text).toContain(line('gateway', 'hit'));
    for (const outcome of ['stored', 'refused-older', 'refused-late']) {
      expect(text).toContain(`cache_writes_total{service="runner",family="domain",outcome="${outcome}"} 1`);
    }
    expect(text).toContain('cache_up{service="gateway"} 1');
    if (rig.server !== undefined) {
      expect(text).toMatch(/cache_server_memory_used_bytes\{service="runner"\} [1-9]/);
      expect(text).toMatch(/cache_server_hit_ratio\{service="runner"\} 0\.\d/);
      expect(text).toMatch(/cache_command_duration_seconds_count\{service="runner",command="mget"\} [1-9]/);
      const snapshot = await gateway.snapshot();
      expect(snapshot.server?.software).toMatch(/^(Redis|Valkey|Dragonfly) \d/);
    }
  });
});

function looked(service: string, family: string, tier: string, outcome: string): RegExp {
  const labels = `service="${service}",family="${family}",tier="${tier}",outcome="${outcome}"`;
  return new RegExp(`^cache_lookups_total\\{${labels}\\} [1-9]`, 'm');
}
