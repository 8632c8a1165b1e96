import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { defaultCacheConfig, parseCacheUrl, type CacheConfig } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import { openCache } from '../../cache/open-cache.ts';
import { createClient, endClient } from '../../cache/redis/clients.ts';
import { startSentinel } from '../support/cache-sentinel.ts';
import { makeCertificates } from '../support/make-certificates.ts';
import { silentParts, until } from './rigs.ts';

const PASSWORD = 'a-password';

function openBehindSentinel(url: string, overrides: Partial<CacheConfig> = {}): Cache {
  const target = parseCacheUrl(url);
  if (target?.kind !== 'server') throw new Error(`no cache URL: ${url}`);
  const withPassword = { ...target, topology: 'sentinel' as const, password: PASSWORD };
  return openCache(
    defaultCacheConfig({ target: withPassword, timeoutMs: 2000, ...overrides }),
    silentParts(),
  );
}

it('behind Sentinel, speaks TLS to the sentinel and to the primary, and trusts no certificate unasked', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'origan-tls-'));
  const certificates = makeCertificates(directory, 'cache.test');
  const group = await startSentinel(PASSWORD, certificates);
  const tls = { caFile: certificates.ca, serverName: 'cache.test' };
  const trusting = openBehindSentinel(`rediss://${group.address}`, { tls });
  const wary = openBehindSentinel(`rediss://${group.address}`);
  try {
    await trusting.connect();
    await until('it is up', () => trusting.state() === 'up');
    expect(await trusting.set(keys.userOrgs('u'), ['o'])).toEqual({ kind: 'stored' });
    await wary.connect();
    expect(wary.state()).toBe('down');
  } finally {
    await trusting.close();
    await wary.close();
    await group.close();
    rmSync(directory, { recursive: true, force: true });
  }
});

it('never falls back to clear text where TLS is configured and the servers speak none', async () => {
  const group = await startSentinel(PASSWORD);
  const plain = openBehindSentinel(group.address);
  const cache = openBehindSentinel(`rediss://${group.address}`);
  try {
    await plain.connect();
    await until('the servers are there', () => plain.state() === 'up');
    await cache.connect();
    expect(cache.state()).toBe('down');
    expect(await cache.get(keys.userOrgs('u'))).toMatchObject({ kind: 'error' });
  } finally {
    await plain.close();
    await cache.close();
    await group.close();
  }
});

it('goes on connecting where looking for the primary was broken off', async () => {
  const group = await startSentinel(PASSWORD);
  const target = parseCacheUrl(group.address);
  if (target?.kind !== 'server') throw new Error('no target');
  const behind = { ...target, topology: 'sentinel' as const, password: PASSWORD };
  const client = createClient(defaultCacheConfig({ target: behind }), behind, 'test', 'commands');
  client.on('error', () => undefined);
  try {
    client.connect().catch(() => undefined);
    expect(client.status).toBe('connecting');
    client.disconnect(true);
    await until('it is connected', () => client.status === 'ready');
    endClient(client);
    await until('it is ended', () => client.status === 'end');
  } finally {
    endClient(client);
    await group.close();
  }
});
