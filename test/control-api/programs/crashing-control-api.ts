import { flushCompileCache } from 'node:module';
import { createServer, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import type { Cache } from '../../../cache/cache.ts';
import { defaultCacheConfig, parseCacheUrl } from '../../../cache/config.ts';
import { openCache } from '../../../cache/open-cache.ts';
import { readControlApiConfig } from '../../../control-api/config.ts';
import { startControlApi } from '../../../control-api/start-control-api.ts';
import { silentLogger } from '../../../core/log.ts';
import { createRegistry } from '../../../core/metrics.ts';
import type { ObjectStore } from '../../../store/object-store.ts';
import { openStore } from '../../../store/open-store.ts';

// The real control API, whose every effect on the outside (a statement that writes, a commit, a call of the store or
// the cache that writes) goes through `step`. Told by its parent to crash at the n-th from then on, it kills itself
// before that one. Reads are no steps: to die before one is to die after the effect before it.

const order = z.object({ crashAt: z.number() });
// One that is killed leaves nothing for the next one unless it does so before.
flushCompileCache();
// Everything is imported by now: a parent that forks ahead of need waits for the start alone.
await new Promise((resolve) => process.once('message', resolve));
const env = z
  .object({ TEST_DATABASE_URL: z.string(), TEST_BUCKET: z.string(), TEST_CACHE_URL: z.string() })
  .parse(process.env);

const WRITES = /\b(?:insert into|(?<!for )update|delete from|commit)\b/i;

let steps = 0;
let crashAt = Number.POSITIVE_INFINITY;
process.on('message', (message) => {
  steps = 0;
  crashAt = order.parse(message).crashAt;
  process.send?.({ isArmed: true });
});
process.on('disconnect', () => process.exit(0));

function step(): void {
  steps += 1;
  if (steps >= crashAt) process.kill(process.pid, 'SIGKILL');
}

/** Every method that is called counts as a step. */
function stepping<Part extends object>(part: Part, names: readonly (keyof Part)[]): Part {
  return new Proxy(part, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (names.includes(name as keyof Part)) step();
        return Reflect.apply(value, target, args);
      };
    },
  });
}

/** Statements that write are steps too, the commit of a transaction among them. */
async function databaseUrl(): Promise<string> {
  const url = new URL(env.TEST_DATABASE_URL);
  const target = { host: url.hostname, port: Number(url.port) };
  const server = createServer((client) => {
    const upstream = connect(target);
    client.on('data', (chunk) => {
      if (WRITES.test(chunk.toString('latin1'))) step();
      upstream.write(chunk);
    });
    upstream.pipe(client);
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
    client.on('close', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url.port = String((server.address() as AddressInfo).port);
  return url.href;
}

const log = silentLogger();
const registry = createRegistry();
const store = stepping<ObjectStore>(openStore({ kind: 'directory', root: env.TEST_BUCKET }, { log }), [
  'put',
  'read',
]);
const target = parseCacheUrl(env.TEST_CACHE_URL);
if (target === undefined) throw new Error('TEST_CACHE_URL');
// A busy machine is no outage: what the cache is told before the start is to arrive.
const cache = stepping<Cache>(openCache(defaultCacheConfig({ target, timeoutMs: 5000 }), { log, registry }), [
  'lock',
  'set',
  'invalidateMany',
]);
await cache.connect();
const config = readControlApiConfig({ ...process.env, DATABASE_URL: await databaseUrl() });
const api = await startControlApi(config, { log, registry, cache, store });
process.send?.({ url: api.url });
