import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { defaultCacheConfig, parseCacheUrl } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import { openCache } from '../../cache/open-cache.ts';
import { silentLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { aclFile } from '../../infra/src/cache/users.ts';
import { deployFolder } from '../support/deploy-folder.ts';
import { freePort } from '../support/free-port.ts';
import { startProcess, type StartedProcess } from '../support/process.ts';
import { readCompose } from '../support/read-compose.ts';
import { startSystem, type System } from '../support/system.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';
import { visit, type Visit } from '../support/visit.ts';
import { waitUntil } from '../support/wait-until.ts';

// The users of docker-compose.yml on a real server: Redis reads the same lines that Dragonfly does.
const compose = await readCompose('docker-compose.yml');
const users = compose.configs?.['cache_users']?.content ?? '';

/** A user of the test's own, who may look at what was refused to the others. */
const OPERATOR = { username: 'operator', password: 'operator-password' };

const SITE = { deploymentId: 'd1', projectId: 'p1', config: { version: 1, resources: [] }, rev: 1 };
const METADATA = {
  deploymentId: 'd1',
  projectId: 'p1',
  environmentRevisionId: null,
  createdAt: '2026-01-01T00:00:00.000Z',
};

const HOST = 'users.example';

function deploy(system: System, page: string): Promise<unknown> {
  const greet = 'export const GET = () => new Response("hello");';
  const files = { 'dist/index.html': page, 'package.json': '{}', 'functions/api/greet.js': greet };
  return deployFolder({ apiUrl: system.controlApi.url, token: system.token, host: HOST, files });
}

describe('the users of the cache', () => {
  let directory: TempDir;
  let server: StartedProcess;
  let port: number;
  const opened: { close(): Promise<void> | void }[] = [];

  const credentialsOf = (service: string): { username: string; password: string } => {
    const environment = compose.services[service]?.environment ?? {};
    return { username: environment['CACHE_USERNAME'] ?? '', password: environment['CACHE_PASSWORD'] ?? '' };
  };

  const cacheOf = async (service: string): Promise<Cache> => {
    const { username, password } = credentialsOf(service);
    const target = parseCacheUrl(`redis://${username}:${password}@127.0.0.1:${port}`);
    if (target === undefined) throw new Error('no target');
    const config = defaultCacheConfig({ target, timeoutMs: 5000, leaseMs: 2000 });
    const holdsLease = service === 'gateway';
    const cache = openCache(config, { log: silentLogger(), registry: createRegistry(), holdsLease });
    opened.push(cache);
    await cache.connect();
    return cache;
  };

  const clientOf = (service: string): Redis => {
    const credentials = service === OPERATOR.username ? OPERATOR : credentialsOf(service);
    const client = new Redis({ port, host: '127.0.0.1', ...credentials, maxRetriesPerRequest: 0 });
    opened.push({ close: () => client.disconnect() });
    return client;
  };

  beforeAll(async () => {
    directory = await makeTempDir('cache-users');
    port = await freePort();
    const file = join(directory.path, 'users.acl');
    await writeFile(file, `${users}user ${OPERATOR.username} on >${OPERATOR.password} ~* &* +@all\n`);
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--aclfile', file];
    server = startProcess('redis-server', { args: [...args, '--dir', directory.path] });
    await server.waitFor(/Ready to accept connections/);
  });
  afterAll(async () => {
    for (const part of opened) await part.close();
    await server.stop();
    await directory.remove();
  });

  test('lines are in the form that both servers read', () => {
    for (const line of users.trimEnd().split('\n')) {
      // One space between words and none at the end: Dragonfly splits at every space.
      expect(line).toMatch(/^user [a-z-]+ (on|off)( [^ ]+)+$/);
      expect(line.split(' ').length).toBeGreaterThanOrEqual(4);
    }
    expect(users).toMatch(/^user default off -@all$/m);
  });

  test('are the same on Kubernetes', () => {
    const names = ['gateway', 'runner', 'control-api'];
    const passwords = Object.fromEntries(names.map((name) => [name, credentialsOf(name).password]));
    expect(aclFile(passwords)).toBe(users);
  });

  test('nobody gets in without a name and a password', async () => {
    const client = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 0, enableReadyCheck: false });
    client.on('error', () => undefined);
    await expect(client.get('domain:x')).rejects.toThrow(/NOAUTH/);
    client.disconnect();
  });

  test('the gateway and the control API work together through it', async () => {
    const gateway = await cacheOf('gateway');
    const control = await cacheOf('control-api');
    await waitUntil(() => gateway.holdsLease());
    expect(gateway.state()).toBe('up');
    const loader = async (): Promise<{ kind: 'found'; value: typeof SITE; rev: number }> => ({
      kind: 'found',
      value: SITE,
      rev: 1,
    });
    expect(await gateway.getWithFallback(keys.domain('a.example'), loader)).toMatchObject({
      source: 'loader',
    });
    expect(await control.set(keys.domain('a.example'), { ...SITE, rev: 2 }, { rev: 2 })).toEqual({
      kind: 'stored',
    });
    expect(await gateway.set(keys.deploymentMetadata('d1'), METADATA)).toEqual({ kind: 'stored' });
    const invalidation = await control.invalidate(keys.domain('a.example'), { rev: 3 });
    expect(invalidation).toMatchObject({ isComplete: true, acknowledged: [expect.any(String)], expired: [] });
    expect(await control.set(keys.userProjects('u1'), ['p1'])).toEqual({ kind: 'stored' });
  });

  test('a whole system works through it and is refused nothing', async () => {
    const operator = clientOf(OPERATOR.username);
    await operator.call('ACL', 'LOG', 'RESET');
    const asUser = (service: string): Record<string, string> => ({
      CACHE_USERNAME: credentialsOf(service).username,
      CACHE_PASSWORD: credentialsOf(service).password,
      CACHE_LEASE_MS: '1000',
    });
    const system = await startSystem({
      env: { CACHE_URL: `redis://127.0.0.1:${port}` },
      gatewayEnv: asUser('gateway'),
      runnerEnv: asUser('runner'),
      controlApiEnv: asUser('control-api'),
    });
    opened.push(system);
    const [gateway] = system.gateways;
    const answerOf = (path: string): Promise<Visit> => visit(gateway?.port ?? 0, HOST, path);
    await deploy(system, 'one');
    expect((await answerOf('/')).text).toBe('one');
    expect((await answerOf('/api/greet')).text).toBe('hello');
    expect((await visit(gateway?.port ?? 0, 'nobody.example', '/')).status).toBe(404);
    await deploy(system, 'two');
    expect((await answerOf('/')).text).toBe('two');
    // Stopping writes too: leases are given up, what was hot is remembered.
    expect(await gateway?.stop()).toBe(0);
    expect(await system.runner.stop()).toBe(0);
    expect(await system.controlApi.stop()).toBe(0);
    expect(await operator.call('ACL', 'LOG')).toEqual([]);
    expect(await operator.dbsize()).toBeGreaterThan(3);
  });

  test('the runner reads and fills the metadata of deployments, and sees nothing else', async () => {
    const runner = await cacheOf('runner');
    expect(await runner.set(keys.deploymentMetadata('d2'), METADATA)).toEqual({ kind: 'stored' });
    expect(await runner.get(keys.deploymentMetadata('d2'))).toMatchObject({ kind: 'hit' });
    const client = clientOf('runner');
    await expect(client.get('domain:a.example')).rejects.toThrow(/NOPERM/);
    await expect(client.get('github:token:1:2')).rejects.toThrow(/NOPERM/);
    await expect(client.set('domain:a.example', 'x')).rejects.toThrow(/NOPERM/);
  });

  test('the gateway sees neither tokens nor memberships', async () => {
    const client = clientOf('gateway');
    await expect(client.get('github:token:1:2')).rejects.toThrow(/NOPERM/);
    await expect(client.get('user:u1:projects')).rejects.toThrow(/NOPERM/);
  });

  test.each(['gateway', 'runner', 'control-api'])('%s may not do what an operator does', async (service) => {
    const client = clientOf(service);
    for (const [command = '', ...args] of [
      ['FLUSHALL'],
      ['CONFIG', 'GET', '*'],
      ['ACL', 'LIST'],
      ['SHUTDOWN'],
      ['KEYS', '*'],
      ['REPLICAOF', '127.0.0.1', '1'],
    ]) {
      await expect(client.call(command, ...args)).rejects.toThrow(/NOPERM/);
    }
    expect(await client.info('server')).toContain('redis_version');
  });
});
