import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../core/log.ts';
import { defaultCacheConfig, parseCacheUrl } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import { LoadGate } from '../../cache/load-gate.ts';
import { openCache } from '../../cache/open-cache.ts';
import { site } from './cache-conformance.ts';
import { serverRig, silentParts } from './rigs.ts';

describe('CACHE_ENABLED=false', () => {
  it('asks the source for everything and leaves others alone', async () => {
    const rig = await serverRig();
    try {
      const on = await rig.open();
      const off = await rig.open({ isEnabled: false });
      const key = keys.domain('a.example');
      await on.set(key, site('shared', 1));
      const loader = async () => ({ kind: 'found' as const, value: site('source', 1) });
      expect(off.state()).toBe('disabled');
      expect(await off.get(key)).toEqual({ kind: 'miss' });
      expect(await off.set(key, site('d', 2))).toEqual({ kind: 'disabled' });
      expect(await off.getWithFallback(key, loader)).toMatchObject({ value: { deploymentId: 'source' } });
      expect(await off.getWithFallback(key, () => Promise.reject(new Error('no')))).toMatchObject({
        kind: 'failed',
      });
      expect(await off.invalidate(key)).toMatchObject({ isComplete: false });
      expect(await on.get(key)).toMatchObject({ kind: 'hit', value: { deploymentId: 'shared' } });
    } finally {
      await rig.close();
    }
  });

  it('holds loads to their deadline and their number all the same', async () => {
    const config = defaultCacheConfig({ isEnabled: false, maxConcurrentLoads: 2, loadHardMs: 50 });
    const off = openCache(config, silentParts());
    const signals: AbortSignal[] = [];
    const never = (signal: AbortSignal) => {
      signals.push(signal);
      return new Promise<never>(() => undefined);
    };
    const answers = [1, 2, 3].map((id) => off.getWithFallback(keys.domain(`h${id}.example`), never));
    expect(signals).toHaveLength(2);
    for (const answer of await Promise.all(answers)) expect(answer).toMatchObject({ kind: 'failed' });
    expect(signals.slice(0, 2).every((signal) => signal.aborted)).toBe(true);
  });

  it('says so where others may then miss what is changed', async () => {
    const lines: unknown[] = [];
    const log = silentLogger();
    log.warn = (line: unknown) => void lines.push(line);
    const config = defaultCacheConfig({ isEnabled: false });
    const target = parseCacheUrl('localhost:6379') ?? config.target;
    openCache({ ...config, target }, { ...silentParts(), log, watchesLeases: true });
    expect(lines).toEqual([expect.stringContaining('announced to nobody')]);
    openCache({ ...config, target }, { ...silentParts(), log });
    openCache(config, { ...silentParts(), log, watchesLeases: true });
    expect(lines).toHaveLength(1);
  });

  it('lets a caller go who no longer waits', async () => {
    const off = openCache(defaultCacheConfig({ isEnabled: false }), silentParts());
    const controller = new AbortController();
    const answer = off.getWithFallback(keys.domain('a.example'), () => new Promise<never>(() => undefined), {
      signal: controller.signal,
    });
    controller.abort();
    expect(await answer).toMatchObject({ kind: 'failed' });
  });
});

describe('CACHE_CONNECTION_POOL_SIZE', () => {
  it('opens so many connections and goes on while one of them is cut', async () => {
    const rig = await serverRig();
    try {
      const cache = await rig.open({ poolSize: 4 });
      const admin = rig.server?.admin();
      const clients = async (): Promise<string[]> =>
        String(await admin?.call('CLIENT', 'LIST', 'TYPE', 'normal'))
          .split('\n')
          .filter((line) => line.includes('name=origan:'));
      await expect.poll(async () => (await clients()).length).toBe(4);
      const key = keys.userOrgs('u');
      expect(await cache.set(key, ['o'])).toEqual({ kind: 'stored' });
      const id = /\bid=(\d+)/.exec((await clients())[0] ?? '')?.[1] ?? '';
      await admin?.call('CLIENT', 'KILL', 'ID', id);
      const lookups = await Promise.all(Array.from({ length: 200 }, () => cache.get(key)));
      expect(lookups.every((lookup) => lookup.kind === 'hit')).toBe(true);
      await expect.poll(async () => (await clients()).length).toBe(4);
    } finally {
      await rig.close();
    }
  });
});

describe('a cache server that is not there', () => {
  it('is no reason not to start: connect resolves, look-ups say error, loads work', async () => {
    const config = defaultCacheConfig({
      target: {
        kind: 'server',
        topology: 'single',
        nodes: [{ host: '127.0.0.1', port: 1 }],
        isTls: false,
        username: undefined,
        password: undefined,
        database: 0,
      },
    });
    const cache = openCache(config, { ...silentParts(), holdsLease: true });
    await cache.connect();
    expect(cache.state()).toBe('down');
    const key = keys.domain('a.example');
    expect(await cache.get(key)).toMatchObject({ kind: 'error' });
    const loader = async () => ({ kind: 'found' as const, value: site('d1', 1) });
    expect(await cache.getWithFallback(key, loader)).toMatchObject({ kind: 'found', source: 'loader' });
    expect(cache.peek(key)).toBeUndefined();
    const failing = () => Promise.reject(new Error('the source is down'));
    expect(await cache.getWithFallback(key, failing)).toMatchObject({ kind: 'found', isLastKnownGood: true });
    await cache.close();
  });
});

describe('loads', () => {
  it('run so many at once, and none waits longer than it may', async () => {
    const gate = new LoadGate(2);
    let running = 0;
    let most = 0;
    const load = async (): Promise<boolean> => {
      most = Math.max(most, (running += 1));
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
      return true;
    };
    const all = await Promise.all(Array.from({ length: 20 }, () => gate.run(load, 10_000)));
    expect(all.every(Boolean)).toBe(true);
    expect(most).toBe(2);
    const stuck = Promise.withResolvers<boolean>();
    const held = [gate.run(() => stuck.promise, 10_000), gate.run(() => stuck.promise, 10_000)];
    expect(await gate.run(load, 20)).toBeUndefined();
    stuck.resolve(true);
    await Promise.all(held);
    expect(await gate.run(load, 20)).toBe(true);
  });
});
