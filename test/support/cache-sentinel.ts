import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { startCacheServer, type CacheServer } from './cache-server.ts';
import { freePort } from './free-port.ts';
import type { Certificates } from './make-certificates.ts';

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
  const port = await freePort();
  const sentinel = launchSentinel([`port ${port}`, ...watching(primary.port)]);
  const close = async (): Promise<void> => {
    await sentinel.close();
    await Promise.all([primary.close(), replica.close()]);
  };
  try {
    await knowsReplica(port);
  } catch (error) {
    await close();
    throw error;
  }
  return { url: `127.0.0.1:${port}`, primary, replica, close };
}

/** A primary with a password, and a real Sentinel; with certificates both are reached by TLS alone. */
export async function startSentinel(
  password: string,
  certificates?: Certificates,
): Promise<{ address: string; close(): Promise<void> }> {
  const port = await freePort();
  const tls = certificates === undefined ? undefined : await tlsSettings(certificates);
  const primary = await startCacheServer({ kind: 'redis', password, args: tls?.primaryArgs ?? [] });
  const sentinel = launchSentinel([
    ...(tls === undefined ? [`port ${port}`] : ['port 0', `tls-port ${port}`, ...tls.sentinelLines]),
    ...watching(tls?.primaryPort ?? primary.port),
    `sentinel auth-pass mymaster ${password}`,
  ]);
  return {
    address: `127.0.0.1:${port}`,
    close: async () => {
      await sentinel.close();
      await primary.close();
    },
  };
}

async function tlsSettings({ cert, key, ca }: Certificates): Promise<{
  primaryPort: number;
  primaryArgs: string[];
  sentinelLines: string[];
}> {
  const primaryPort = await freePort();
  const files = [
    ['tls-cert-file', cert],
    ['tls-key-file', key],
    ['tls-ca-cert-file', ca],
    ['tls-auth-clients', 'no'],
  ] as const;
  return {
    primaryPort,
    primaryArgs: [
      '--tls-port',
      String(primaryPort),
      ...files.flatMap(([name, value]) => [`--${name}`, value]),
    ],
    sentinelLines: ['tls-replication yes', ...files.map(([name, value]) => `${name} ${value}`)],
  };
}

function watching(port: number): string[] {
  return [
    'bind 127.0.0.1',
    `sentinel monitor mymaster 127.0.0.1 ${port} 1`,
    'sentinel down-after-milliseconds mymaster 500',
    'sentinel failover-timeout mymaster 2000',
  ];
}

function launchSentinel(lines: readonly string[]): { close(): Promise<void> } {
  const directory = mkdtempSync(join(tmpdir(), 'origan-sentinel-'));
  const file = join(directory, 'sentinel.conf');
  writeFileSync(file, `${lines.join('\n')}\n`);
  const child = spawn('redis-server', [file, '--sentinel', '--dir', directory], { stdio: 'ignore' });
  const endWithParent = (): void => void child.kill('SIGKILL');
  process.once('exit', endWithParent);
  return {
    close: async () => {
      process.off('exit', endWithParent);
      if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit');
      rmSync(directory, { recursive: true, force: true });
    },
  };
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
