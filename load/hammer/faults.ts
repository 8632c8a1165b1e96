import { setTimeout as sleep } from 'node:timers/promises';
import type { Cache } from '../../cache/cache.ts';
import { keys } from '../../cache/keys.ts';
import { hashSlot } from '../../cache/redis/hash-slot.ts';
import type { CacheServer } from '../../test/support/cache-server.ts';
import type { TcpProxy } from '../../test/support/tcp-proxy.ts';
import type { HammeredControlApi } from './control-api.ts';
import type { CutOff } from './cut-off.ts';
import type { HammeredHost } from './hosts.ts';
import type { HammeredGateway } from './gateways.ts';

/** Answers that were asked for while the control API was away come this much later. */
const AFTERMATH_MS = 500;
const PATIENCE_MS = 60_000;

export type Scene = {
  servers: readonly CacheServer[];
  /** The hammer's own eyes on what is in the cache. */
  cache: Pick<Cache, 'exists'>;
  /** One for each gateway, then the control API's; none before a cluster. */
  proxies: readonly TcpProxy[];
  /** One for each gateway, before the control API. */
  lookupProxies: readonly TcpProxy[];
  /** Gateways that reach neither: they alone may answer with an older build, marked. */
  cutOff: CutOff;
  /** Whether the proxies before the cache pass on what comes at once. */
  setCalm(isCalm: boolean): void;
  gateways: readonly HammeredGateway[];
  controlApi: HammeredControlApi;
  hosts: readonly HammeredHost[];
  leaseMs: number;
};

export type Fault = { name: string; run(scene: Scene): Promise<void> };

const anyOf = <Item>(items: readonly Item[]): Item | undefined =>
  items[Math.floor(Math.random() * items.length)];

const onlyOf = ({ servers }: Scene): CacheServer => {
  const [server] = servers;
  if (server === undefined) throw new Error('no cache server');
  return server;
};

const CUT_OFF_IN_SILENCE: Fault = {
  name: 'a gateway cut off from the cache in silence, longer than its lease',
  run: async ({ proxies, leaseMs }) => {
    const proxy = anyOf(proxies.slice(0, -1));
    proxy?.stall();
    await sleep(leaseMs * 2.5);
    proxy?.allow();
  },
};

const CACHE_EMPTIED: Fault = {
  name: 'cache emptied',
  run: async (scene) => {
    const server = onlyOf(scene);
    const admin = server.admin();
    for (let times = 0; times < 3; times += 1) {
      await admin.flushall();
      await sleep(300);
    }
    admin.disconnect();
  },
};

const KEYS_DELETED: Fault = {
  name: 'keys deleted behind our back',
  run: async (scene) => {
    const server = onlyOf(scene);
    const admin = server.admin();
    for (let times = 0; times < 40; times += 1) {
      await admin.del(`domain:${anyOf(scene.hosts)?.name}`);
      await sleep(20);
    }
    admin.disconnect();
  },
};

/**
 * Only while the cache holds every mapping, and nothing else fails or is slow: an emptied cache and a dead control API at
 * once would leave nobody who knows what a host shows.
 */
const CONTROL_API_KILLED: Fault = {
  name: 'the control API killed in the middle of flips, started again',
  run: async (scene) => {
    await untilTrue(() => areWell(scene.gateways));
    await untilTrue(() => holdsEveryMapping(scene));
    scene.setCalm(true);
    await scene.controlApi.crash();
    await sleep(AFTERMATH_MS);
    scene.setCalm(false);
  },
};

const PURGES: Fault = {
  name: 'mappings purged softly in the middle of flips',
  run: async ({ controlApi, hosts }) => {
    for (let times = 0; times < 30; times += 1) {
      const host = anyOf(hosts);
      if (host !== undefined) await controlApi.purgeSoftly(host);
      await sleep(20);
    }
  },
};

const areWell = async (gateways: readonly HammeredGateway[]): Promise<boolean> =>
  (await Promise.all(gateways.map((gateway) => gateway.isWell()))).every(Boolean);

async function holdsEveryMapping({ cache, hosts }: Scene): Promise<boolean> {
  const known = await Promise.all(hosts.map(({ name }) => cache.exists(keys.domain(name))));
  return known.every((lookup) => lookup.kind === 'hit' && lookup.value);
}

/** @throws when it does not become true in time. */
async function untilTrue(condition: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error('the system did not recover from the fault before');
    await sleep(50);
  }
}

const SINGLE: readonly Fault[] = [
  {
    name: 'connections cut one by one',
    run: async ({ proxies }) => {
      for (let cuts = 0; cuts < 12; cuts += 1) {
        anyOf(proxies)?.cutOne(Math.random());
        await sleep(100);
      }
    },
  },
  CUT_OFF_IN_SILENCE,
  KEYS_DELETED,
  CONTROL_API_KILLED,
  PURGES,
  CACHE_EMPTIED,
  {
    name: 'cache server stopped (SIGSTOP)',
    run: async (scene) => {
      const server = onlyOf(scene);
      server.pause();
      await sleep(scene.leaseMs * 1.5);
      server.resume();
    },
  },
  {
    name: 'cache server restarted, empty',
    run: async (scene) => {
      const server = onlyOf(scene);
      await server.restart();
    },
  },
  {
    name: 'cache server restarted from an old snapshot',
    run: async (scene) => {
      const server = onlyOf(scene);
      const admin = server.admin();
      await admin.save();
      admin.disconnect();
      await sleep(1500);
      await server.restart();
      const after = server.admin();
      await after.config('SET', 'save', '');
      after.disconnect();
    },
  },
  {
    name: 'a gateway cut off from the cache and the control API',
    run: async ({ proxies, lookupProxies, cutOff, leaseMs }) => {
      const index = Math.floor(Math.random() * (proxies.length - 1));
      cutOff.begin(index);
      lookupProxies[index]?.refuse();
      proxies[index]?.stall();
      await sleep(leaseMs * 2.5);
      proxies[index]?.allow();
      lookupProxies[index]?.allow();
      cutOff.end(index);
    },
  },
];

const CLUSTER: readonly Fault[] = [
  CONTROL_API_KILLED,
  PURGES,
  {
    name: 'a primary killed, started again empty',
    run: async ({ servers }) => {
      const victim = anyOf(servers);
      await victim?.kill();
      await sleep(1500);
      await victim?.restart();
    },
  },
  {
    name: 'a primary stopped (SIGSTOP)',
    run: async ({ servers, leaseMs }) => {
      const victim = anyOf(servers);
      victim?.pause();
      await sleep(leaseMs * 1.5);
      victim?.resume();
    },
  },
  {
    name: 'every connection closed by the servers',
    run: async ({ servers }) => {
      for (const server of servers) {
        const admin = server.admin();
        await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub', 'SKIPME', 'yes');
        admin.disconnect();
      }
    },
  },
  {
    name: 'all primaries emptied',
    run: async ({ servers }) => {
      for (const server of servers) {
        const admin = server.admin();
        await admin.flushall();
        admin.disconnect();
      }
    },
  },
  {
    name: 'the primary that holds the bus killed, started again empty',
    run: async ({ servers }) => {
      const slot = hashSlot('{bus}');
      const victim = servers[Math.floor((slot * servers.length) / 16_384)];
      await victim?.kill();
      await sleep(1500);
      await victim?.restart();
    },
  },
];

/** What happens to the system while it is being asked, one after the other, again and again. */
export const FAULTS: Readonly<Record<'single' | 'cluster', readonly Fault[]>> = {
  single: SINGLE,
  cluster: CLUSTER,
};

/** What brings a missing guard to light soonest. */
export const PROVOKING_FAULTS: readonly Fault[] = [KEYS_DELETED, CUT_OFF_IN_SILENCE, CACHE_EMPTIED];
