import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { defaultCacheConfig, parseCacheUrl, type CacheConfig } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import { openCache } from '../../cache/open-cache.ts';
import { startCacheServer } from '../support/cache-server.ts';
import { freePort } from '../support/free-port.ts';
import { site } from './cache-conformance.ts';
import { silentParts, until } from './rigs.ts';

/** As docs/cache.md gives it. */
const ACL_RULES =
  'on >secret ~prod:* &prod:* -@all +@read +@write +@scripting +@pubsub +info +time +hello +client|setname'.split(
    ' ',
  );

function settingsFor(url: string, overrides: Partial<CacheConfig> = {}): CacheConfig {
  const target = parseCacheUrl(url);
  if (target === undefined) throw new Error(`no cache URL: ${url}`);
  return defaultCacheConfig({ target, timeoutMs: 2000, leaseMs: 1000, ...overrides });
}

it('works as a user who may only do what the docs grant, under its own prefix', async () => {
  const server = await startCacheServer();
  const admin = server.admin();
  await admin.call('ACL', 'SETUSER', 'gateway', ...ACL_RULES);
  await admin.call('ACL', 'SETUSER', 'default', 'off');
  const url = `redis://gateway:secret@127.0.0.1:${server.port}`;
  const cache = openCache(settingsFor(url, { keyPrefix: 'prod:' }), { ...silentParts(), holdsLease: true });
  const stranger = openCache(settingsFor(url, { keyPrefix: 'other:' }), silentParts());
  try {
    await cache.connect();
    await until('the lease', () => cache.holdsLease());
    const key = keys.domain('a.example');
    expect(await cache.set(key, site('d1', 1))).toEqual({ kind: 'stored' });
    expect(await cache.get(key)).toMatchObject({ kind: 'hit' });
    expect(await cache.invalidate(key)).toMatchObject({ isComplete: true });
    expect(await cache.lock(keys.lock('x'))).toMatchObject({ kind: 'acquired' });
    expect(await cache.sweep({ pattern: 'domain:*', areOrphans: async () => [] })).toMatchObject({
      kind: 'swept',
    });
    await stranger.connect();
    expect(await stranger.set(key, site('d1', 1))).toMatchObject({
      kind: 'error',
      cause: { kind: 'denied' },
    });
    expect(await stranger.get(key)).toMatchObject({ kind: 'error', cause: { kind: 'denied' } });
    expect(stranger.state()).toBe('up');
  } finally {
    await cache.close();
    await stranger.close();
    await server.close();
  }
});

it('keeps lists for a user who may not ask the server for its time', async () => {
  const server = await startCacheServer();
  const rules = ACL_RULES.filter((rule) => rule !== '+time');
  await server.admin().call('ACL', 'SETUSER', 'runner', ...rules);
  const url = `redis://runner:secret@127.0.0.1:${server.port}`;
  const cache = openCache(settingsFor(url, { keyPrefix: 'prod:' }), silentParts());
  try {
    await cache.connect();
    const key = keys.functionLogs('d1');
    const line = { timeMs: 1, level: 'info', message: 'text', source: 'function' } as const;
    expect(await cache.append(key, [line, line])).toEqual({ kind: 'stored' });
    expect(await cache.readList(key, 0)).toMatchObject({ items: [line, line] });
  } finally {
    await cache.close();
    await server.close();
  }
});

it('speaks TLS, checks the certificate, and refuses one that it cannot trust', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'origan-tls-'));
  const [certFile, keyFile] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
  const subject = ['-subj', '/CN=cache.test', '-addext', 'subjectAltName=DNS:cache.test'];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-keyout',
      keyFile,
      '-out',
      certFile,
      ...subject,
    ],
    { stdio: 'ignore' },
  );
  const tlsPort = await freePort();
  const server = await startCacheServer({
    kind: 'redis',
    args: [
      '--tls-port',
      String(tlsPort),
      '--tls-cert-file',
      certFile,
      '--tls-key-file',
      keyFile,
      '--tls-ca-cert-file',
      certFile,
      '--tls-auth-clients',
      'no',
    ],
  });
  const url = `rediss://127.0.0.1:${tlsPort}`;
  const tls = { caFile: certFile, serverName: 'cache.test' };
  const trusting = openCache(settingsFor(url, { tls }), silentParts());
  const wary = openCache(settingsFor(url), silentParts());
  try {
    await trusting.connect();
    await until('it is up', () => trusting.state() === 'up');
    expect(await trusting.set(keys.userOrgs('u'), ['o'])).toEqual({ kind: 'stored' });
    await wary.connect();
    expect(wary.state()).toBe('down');
    expect(await wary.get(keys.userOrgs('u'))).toMatchObject({ kind: 'error' });
  } finally {
    await trusting.close();
    await wary.close();
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
