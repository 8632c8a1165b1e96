import { Redis } from 'ioredis';
import { startCacheServer, type CacheServer } from './cache-server.ts';
import { freePort } from './free-port.ts';

const PRIMARIES = 3;
const SLOTS = 16_384;
const FORM_TIMEOUT_MS = 60_000;

export type CacheCluster = {
  /** As CACHE_URL takes it. */
  url: string;
  primaries: readonly CacheServer[];
  close(): Promise<void>;
};

/**
 * A real cluster of three primaries, each with a third of the slots.
 *
 * @param options.nodeTimeoutMs after how long a silent node is held for dead by the others. Default 1000.
 */
export async function startCacheCluster({
  nodeTimeoutMs = 1000,
}: { nodeTimeoutMs?: number } = {}): Promise<CacheCluster> {
  const busPorts = await Promise.all(Array.from({ length: PRIMARIES }, freePort));
  const primaries = await Promise.all(
    busPorts.map((busPort) => startCacheServer({ args: clusterArgs(busPort, nodeTimeoutMs) })),
  );
  const close = async (): Promise<void> => {
    await Promise.all(primaries.map((primary) => primary.close()));
  };
  try {
    await form(primaries, busPorts);
  } catch (error) {
    await close();
    throw error;
  }
  return { url: primaries.map(({ host, port }) => `${host}:${port}`).join(','), primaries, close };
}

function clusterArgs(busPort: number, nodeTimeoutMs: number): string[] {
  const enabled = ['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf'];
  const timing = ['--cluster-node-timeout', String(nodeTimeoutMs), '--cluster-require-full-coverage', 'no'];
  return [...enabled, ...timing, '--cluster-port', String(busPort)];
}

async function form(primaries: readonly CacheServer[], busPorts: readonly number[]): Promise<void> {
  const admins = primaries.map(({ host, port }) => new Redis({ host, port }));
  try {
    for (const [index, admin] of admins.entries()) {
      const first = Math.floor((SLOTS / PRIMARIES) * index);
      const last = Math.floor((SLOTS / PRIMARIES) * (index + 1)) - 1;
      await admin.call('CLUSTER', 'ADDSLOTSRANGE', first, last);
      await admin.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    }
    for (const [index, { host, port }] of primaries.entries()) {
      if (index > 0) await admins[0]?.call('CLUSTER', 'MEET', host, port, busPorts[index] ?? 0);
    }
    const endMs = performance.now() + FORM_TIMEOUT_MS;
    while (!(await Promise.all(admins.map(isFormed))).every(Boolean)) {
      if (performance.now() > endMs) throw new Error('the cluster did not form');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    for (const admin of admins) admin.disconnect();
  }
}

async function isFormed(admin: Redis): Promise<boolean> {
  const info = String(await admin.call('CLUSTER', 'INFO'));
  // A node that has not yet heard whose the other slots are sends clients nowhere; its state is `ok` all the same.
  const wanted = [`known_nodes:${PRIMARIES}`, `slots_assigned:${SLOTS}`, 'state:ok'];
  return wanted.every((line) => new RegExp(`^cluster_${line}\\r?$`, 'm').test(info));
}
