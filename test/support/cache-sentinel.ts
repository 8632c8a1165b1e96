import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { startCacheServer, type CacheServer } from './cache-server.ts';
import { freePort } from './free-port.ts';

/** A sentinel that looked before the replica was known looks again after ten seconds. */
const READY_TIMEOUT_MS = 60_000;

export type SentinelGroup = {
  /** The sentinel, as CACHE_URL takes it. */
  url: string;
  primary: CacheServer;
  replica: CacheServer;
  close(): Promise<void>;
};

/** A primary, its replica, and a real Sentinel that promotes the replica when the primary is gone for half a second. */
export async function startSentinelGroup(): Promise<SentinelGroup> {
  const primary = await startCacheServer({ kind: 'redis' });
  const follow = ['--replicaof', primary.host, String(primary.port), '--repl-diskless-sync-delay', '0'];
  const replica = await startCacheServer({ kind: 'redis', args: follow });
  const directory = mkdtempSync(join(tmpdir(), 'origan-sentinel-'));
  const port = await freePort();
  const file = join(directory, 'sentinel.conf');
  writeFileSync(file, sentinelConfig(port, primary));
  const child = spawn('redis-server', [file, '--sentinel', '--dir', directory], { stdio: 'ignore' });
  const endWithParent = (): void => void child.kill('SIGKILL');
  process.once('exit', endWithParent);
  const close = async (): Promise<void> => {
    process.off('exit', endWithParent);
    if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit');
    await Promise.all([primary.close(), replica.close()]);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await knowsReplica(port);
  } catch (error) {
    await close();
    throw error;
  }
  return { url: `127.0.0.1:${port}`, primary, replica, close };
}

function sentinelConfig(port: number, primary: CacheServer): string {
  return [
    `port ${port}`,
    'bind 127.0.0.1',
    `sentinel monitor mymaster ${primary.host} ${primary.port} 1`,
    'sentinel down-after-milliseconds mymaster 500',
    'sentinel failover-timeout mymaster 2000',
    '',
  ].join('\n');
}

async function knowsReplica(port: number): Promise<void> {
  const sentinel = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: null });
  sentinel.on('error', () => undefined);
  const endMs = performance.now() + READY_TIMEOUT_MS;
  try {
    while (((await sentinel.call('SENTINEL', 'replicas', 'mymaster')) as unknown[]).length === 0) {
      if (performance.now() > endMs) throw new Error('the sentinel never saw the replica');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } finally {
    sentinel.disconnect();
  }
}
