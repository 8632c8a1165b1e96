import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keys } from '../../cache/keys.ts';
import * as scripts from '../../cache/redis/scripts.ts';
import { site } from './cache-conformance.ts';
import { serverRig, until, type Rig } from './rigs.ts';

/** Everything the client may send: all of it exists on Dragonfly, Valkey 8 and Redis 7. A new one is a decision. */
const ALLOWED = [
  'client setname',
  'del',
  'eval',
  'evalsha',
  'getrange',
  'hdel',
  'hello',
  'hgetall',
  'info',
  'mget',
  'pttl',
  'scan',
  'select',
  'set',
  'subscribe',
];
/** What scripts call, besides. */
const ALLOWED_IN_SCRIPTS = [
  'del',
  'exists',
  'get',
  'getrange',
  'hdel',
  'hget',
  'hgetall',
  'hincrby',
  'hset',
  'lindex',
  'lrange',
  'ltrim',
  'pexpire',
  'pttl',
  'publish',
  'rpush',
  'set',
  'setrange',
  'spublish',
];

describe('commands sent to the server', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await serverRig();
  });
  afterAll(() => rig.close());

  it('are all on the list, whatever the client does', async () => {
    const sent = await recordCommands(rig, () => useEverything(rig));
    expect([...sent].filter((command) => !ALLOWED.includes(command))).toEqual([]);
    expect([...sent]).toEqual(
      expect.arrayContaining(['mget', 'evalsha', 'subscribe', 'scan', 'hgetall', 'info']),
    );
  });

  it('are all on the list within scripts, and scripts touch declared keys only', () => {
    const all = Object.values(scripts).filter((value): value is scripts.Script => typeof value === 'object');
    expect(all.length).toBeGreaterThan(10);
    for (const { lua } of all) {
      const called = [...lua.matchAll(/redis\.p?call\('(\w+)', ([^,)]+)/g)];
      const keyless = [...lua.matchAll(/redis\.p?call\('(\w+)'\)/g)];
      for (const [, command = '', firstKey] of called) {
        expect(ALLOWED_IN_SCRIPTS).toContain(command.toLowerCase());
        expect(firstKey).toMatch(/^KEYS\[[12]\]$/);
      }
      for (const [, command = ''] of keyless) expect(command).toBe('TIME');
      expect(lua.match(/redis\.p?call\(/g)?.length).toBe(
        called.length + keyless.length + (lua.match(/redis\.call\(ARGV/g)?.length ?? 0),
      );
    }
  });
});

/** Uses MONITOR of the test's server to see what arrives, whoever sends it. */
async function recordCommands(rig: Rig, act: () => Promise<void>): Promise<Set<string>> {
  const admin = rig.server?.admin();
  if (admin === undefined) throw new Error('no server');
  await admin.ping();
  const monitor = await admin.monitor();
  const sent = new Set<string>();
  const ownNames = new Set<string>();
  monitor.on('monitor', (_time: string, args: string[], source: string) => {
    if (source === 'lua' || ownNames.has(source)) return;
    const name = (args[0] ?? '').toLowerCase();
    sent.add(name === 'client' ? `client ${args[1]?.toLowerCase()}` : name);
  });
  await act();
  await admin.ping();
  sent.delete('ping');
  const closed = once(monitor, 'end');
  monitor.disconnect();
  await closed;
  return sent;
}

async function useEverything(rig: Rig): Promise<void> {
  const cache = await rig.open();
  const gateway = await rig.open({}, { holdsLease: true, instance: 'g' });
  await until('the lease', () => gateway.holdsLease());
  const key = keys.domain('everything.example');
  await gateway.getWithFallback(key, async () => ({ kind: 'found', value: site('d1', 1) }));
  await gateway.getWithFallback(keys.domain('none.example'), async () => ({ kind: 'absent' }));
  await gateway.getWithFallback(keys.domain('fail.example'), () => Promise.reject(new Error('no')));
  await cache.set(key, site('d2', 2));
  await cache.set(keys.userOrgs('a'), ['1']);
  await cache.getMany([keys.userOrgs('a'), keys.userOrgs('b')]);
  await cache.exists(keys.userOrgs('a'));
  await cache.del([keys.userOrgs('a')]);
  await cache.invalidate(key, { rev: 3 });
  await cache.set(key, site('d3', 3));
  await cache.invalidate(key, { mode: 'soft' });
  await cache.tagVersions('p', ['t']);
  await cache.purgeTag('p', 't');
  await cache.purgeTag('p', 't', 'soft');
  const attempt = await cache.lock(keys.lock('x'));
  if (attempt.kind === 'acquired') await attempt.lock.release();
  const line = { timestamp: '', level: '', message: '' };
  await cache.append(keys.buildLogs('b'), [line]);
  await cache.readList(keys.buildLogs('b'), 0);
  await cache.append(keys.functionLogs('d'), [{ timeMs: 0, level: 'info', message: '', source: 'function' }]);
  await cache.readList(keys.functionLogs('d'), 0);
  await cache.sweep({ pattern: '*', areOrphans: async (names) => names.map(() => false), perSecond: 1e6 });
  await cache.warmEverywhere([key]);
  await gateway.warmHot();
  await cache.snapshot();
  await gateway.close();
}
