import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { REPOSITORY, startProcess } from '../support/process.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

// A service of somebody else, which has this package as a workspace and its own shape of environment and of values.
const SERVICE = `
import { cacheFields, toCacheConfig } from 'origan-edge/cache/config';
import { jsonFamily, type CacheKey } from 'origan-edge/cache/family';
import { openCache } from 'origan-edge/cache/open-cache';
import { field, readEnvironment } from 'origan-edge/core/env';
import { createLogger } from 'origan-edge/core/log';
import { createRegistry } from 'origan-edge/core/metrics';
import { z } from 'zod';

const env = readEnvironment('prices', z.object({ PORT: field.int(7777), ...cacheFields }), process.env);
const registry = createRegistry();
const log = createLogger({ program: 'prices', level: 'silent' });
const cache = openCache(toCacheConfig(env), { log, registry, service: 'prices' });
await cache.connect();

const price = jsonFamily(z.object({ cents: z.number() }), { name: 'price', freshMs: 60_000, graceMs: 60_000 });
const priceOf = (id: string): CacheKey<{ cents: number }> => ({ family: price, name: 'price:' + id });
let loads = 0;
const load = async () => ({ kind: 'found' as const, value: { cents: (loads += 1) * 100 } });
const answers = await Promise.all([1, 2, 3].map(() => cache.getWithFallback(priceOf('a'), load)));
const again = await cache.get(priceOf('a'));
const isCounted = (await registry.metrics()).includes('family="price"');
console.log(JSON.stringify({ state: cache.state(), loads, answers, again, isCounted }));
await cache.close();
`;

let server: CacheServer;
let directory: TempDir;
beforeAll(async () => {
  [server, directory] = await Promise.all([startCacheServer(), makeTempDir('service')]);
  await mkdir(join(directory.path, 'node_modules'));
  await symlink(REPOSITORY, join(directory.path, 'node_modules', 'origan-edge'));
  await symlink(join(REPOSITORY, 'node_modules', 'zod'), join(directory.path, 'node_modules', 'zod'));
  await writeFile(join(directory.path, 'package.json'), '{ "type": "module" }');
  await writeFile(join(directory.path, 'service.ts'), SERVICE);
});
afterAll(async () => {
  await server.close();
  await directory.remove();
});

it('another service uses the cache as a package, with keys of its own', async () => {
  const program = startProcess(process.execPath, {
    args: ['service.ts'],
    cwd: directory.path,
    // A busy machine is no outage.
    env: { CACHE_URL: server.url, CACHE_TIMEOUT_MS: '5000' },
  });
  await program.exited;
  expect(program.stderr()).toBe('');
  const found = { kind: 'found', value: { cents: 100 } };
  expect(JSON.parse(program.stdout())).toMatchObject({
    state: 'up',
    loads: 1,
    answers: [found, found, found],
    again: { kind: 'hit', tier: 'shared', value: { cents: 100 } },
    isCounted: true,
  });
});
