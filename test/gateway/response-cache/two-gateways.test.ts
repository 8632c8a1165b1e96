import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startCacheServer, type CacheServer } from '../../support/cache-server.ts';
import { mayGoUnawaited } from '../../support/may-go-unawaited.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { bodyOf, cleanUpAfterEach, setUpCache, slowToStore, statusOf, type Rig } from './rig.ts';

let server: CacheServer;
beforeAll(async () => {
  server = await startCacheServer();
});
afterAll(() => server.close());
cleanUpAfterEach();
// A test that is run once more begins with nothing stored, too; the registry of leases stays.
beforeEach(async () => {
  const admin = server.admin();
  const stored = await admin.keys('*response:*');
  if (stored.length > 0) await admin.del(stored);
});

const PROJECT = 'project-1';

// Each test has addresses and tags of its own: they share the server, and the registry of leases on it.

/** A function whose answers are numbered, under the headers given. */
async function numbered(headers: Record<string, string>): Promise<Rig> {
  let count = 0;
  return setUpCache(
    (_request, response) => {
      count += 1;
      response.writeHead(200, headers).end(String(count));
    },
    { edges: 2, cacheUrl: server.url },
  );
}

test('what one gateway stored, another serves', async () => {
  const { get, runner } = await numbered({ 'Cache-Control': 'max-age=60' });
  expect(bodyOf(await get('/1/a', { edge: 0 }))).toBe('1');
  const other = await get('/1/a', { edge: 1 });
  expect([bodyOf(other), statusOf(other)]).toEqual(['1', 'origan-edge; hit; ttl=60']);
  expect(runner.calls).toHaveLength(1);
});

test('a response without a body, too, as soon as a client has its head', async () => {
  const { get, runner } = await setUpCache(
    (request, response) => {
      const isEmpty = request.url?.startsWith('/17/empty') === true;
      const headers = { 'Cache-Control': 'max-age=60', ...(isEmpty ? { 'Content-Length': '0' } : {}) };
      response.writeHead(isEmpty ? 200 : 204, headers).end();
    },
    { edges: 2, cacheUrl: server.url },
  );
  for (let count = 0; count < 20; count += 1) {
    for (const path of [`/17/empty${count}`, `/17/none${count}`]) {
      expect(statusOf(await get(path, { edge: 0 }))).toContain('; stored');
      expect(statusOf(await get(path, { edge: 1 }))).toContain('; hit');
    }
  }
  expect(runner.calls).toHaveLength(40);
});

test('who waited for another client’s call gets its response when another gateway can serve it, too', async () => {
  let release = (): void => {};
  const { get, caches, edges, runner } = await setUpCache(
    (_request, response) => {
      release = () => response.writeHead(200, { 'Cache-Control': 'max-age=60' }).end('one');
    },
    { edges: 2, cacheUrl: server.url, manifest: { profile: 'rfc' } },
  );
  slowToStore(caches[0]);
  const leader = mayGoUnawaited(get('/18/a', { edge: 0 }));
  await waitUntil(() => runner.calls.length === 1);
  const other = mayGoUnawaited(get('/18/a', { edge: 0 }));
  await waitUntil(() => edges[0]?.underWay() === 2);
  release();
  expect(statusOf(await other)).toContain('collapsed');
  expect(statusOf(await get('/18/a', { edge: 1 }))).toContain('; hit');
  expect(bodyOf(await leader)).toBe('one');
  expect(runner.calls).toHaveLength(1);
});

test('variants too', async () => {
  const { get, runner } = await numbered({ 'Cache-Control': 'max-age=60', Vary: 'Accept-Language' });
  const ask = async (edge: number, language: string): Promise<string> =>
    bodyOf(await get('/2/', { edge, headers: { 'accept-language': language } }));
  expect(await ask(0, 'de')).toBe('1');
  expect(await ask(0, 'fr')).toBe('2');
  expect([await ask(1, 'fr'), await ask(1, 'de'), await ask(1, 'en')]).toEqual(['2', '1', '3']);
  expect(await ask(0, 'en')).toBe('3');
  expect(runner.calls).toHaveLength(3);
});

test('a variant that ends soon does not take along the way to those that last', async () => {
  const { get } = await setUpCache(
    (request, response) => {
      const lifetime = request.headers['x-a'] === '1' ? 3600 : 30;
      response.writeHead(200, { 'Cache-Control': `max-age=${lifetime}`, Vary: 'X-A' }).end('x');
    },
    { edges: 1, cacheUrl: server.url, manifest: { profile: 'rfc' } },
  );
  for (const a of ['1', '2']) await get('/19/', { headers: { 'x-a': a } });
  const admin = server.admin();
  const stored = await admin.keys('*response:*');
  const leftMs = await Promise.all(stored.map((key) => admin.pttl(key)));
  // Two variants, and the index that leads to them.
  expect(leftMs.toSorted((a, b) => a - b).map((ms) => ms > 60_000)).toEqual([false, true, true]);
});

test('nothing readable of addresses or headers stands in the shared cache under its keys', async () => {
  const { get } = await numbered({ 'Cache-Control': 'max-age=60', Vary: 'Cookie' });
  await get('/secret-path?email=someone@example.com', { headers: { cookie: 'session=abc' } });
  const keys = await server.admin().keys('*');
  expect(keys.some((key) => key.includes('response:'))).toBe(true);
  for (const key of keys) expect(key).not.toMatch(/secret|email|session/);
});

test('a purge of a tag ends what carries it in every gateway, and nothing else', async () => {
  const { get, caches, runner } = await numbered({
    'Cache-Control': 'max-age=60',
    'Cache-Tag': 'posts-4, post-4',
  });
  for (const edge of [0, 1]) await get('/4/a', { edge });
  await caches[1]?.purgeTag(PROJECT, 'comments');
  expect(bodyOf(await get('/4/a', { edge: 0 }))).toBe('1');
  expect(await caches[1]?.purgeTag(PROJECT, 'posts-4')).toMatchObject({ isComplete: true });
  expect(bodyOf(await get('/4/a', { edge: 0 }))).toBe('2');
  expect(bodyOf(await get('/4/a', { edge: 1 }))).toBe('2');
  expect(runner.calls).toHaveLength(2);
});

test('tags of another project have nothing to do with it', async () => {
  const { get, caches } = await numbered({ 'Cache-Control': 'max-age=60', 'Cache-Tag': 'posts-5' });
  await get('/5/a');
  await caches[0]?.purgeTag('project-2', 'posts-5');
  expect(bodyOf(await get('/5/a'))).toBe('1');
});

test('a soft purge makes stale: served once more while it is refreshed, where that is allowed', async () => {
  const headers = { 'Cache-Control': 'max-age=60, stale-while-revalidate=60', 'Cache-Tag': 'posts-6' };
  const { get, caches, runner } = await numbered(headers);
  for (const edge of [0, 1]) await get('/6/a', { edge });
  await caches[0]?.purgeTag(PROJECT, 'posts-6', 'soft');
  const stale = await get('/6/a', { edge: 1 });
  expect([bodyOf(stale), statusOf(stale)]).toEqual(['1', 'origan-edge; hit; ttl=0; detail=swr']);
  await waitUntil(() => runner.calls.length === 2);
  await waitUntil(async () => bodyOf(await get('/6/a', { edge: 0 })) === '2');
});

test('a purge while the function is answering wins: what it answers is not stored', async () => {
  let release = (): void => {};
  let count = 0;
  const rig = await setUpCache(
    async (_request, response) => {
      count += 1;
      const body = String(count);
      if (count === 1) await new Promise<void>((resolve) => (release = resolve));
      response.writeHead(200, { 'Cache-Control': 'max-age=60', 'Cache-Tag': 'posts-7' }).end(body);
    },
    { edges: 2, cacheUrl: server.url },
  );
  const first = rig.get('/7/a');
  await waitUntil(() => rig.runner.calls.length === 1);
  await rig.caches[1]?.purgeTag(PROJECT, 'posts-7');
  release();
  expect(bodyOf(await first)).toBe('1');
  expect(bodyOf(await rig.get('/7/a', { edge: 0 }))).toBe('2');
  expect(bodyOf(await rig.get('/7/a', { edge: 1 }))).toBe('2');
});

test('an unsafe method through one gateway makes the address invalid in the other', async () => {
  const { get } = await numbered({ 'Cache-Control': 'max-age=60' });
  for (const edge of [0, 1]) expect(bodyOf(await get('/8/a', { edge }))).toBe('1');
  await get('/8/a', { edge: 1, method: 'POST' });
  expect(bodyOf(await get('/8/a', { edge: 0 }))).toBe('3');
  expect(bodyOf(await get('/8/a', { edge: 1 }))).toBe('3');
});

test('cache groups: an unsafe method names what else it changed (RFC 9875)', async () => {
  let count = 0;
  const { get } = await setUpCache(
    (request, response) => {
      count += 1;
      const groups = request.url === '/9/a' ? '"one-9", "two-9"' : '"three-9"';
      const head = { 'Cache-Control': 'max-age=60', 'Cache-Groups': groups };
      const invalidation = { 'Cache-Group-Invalidation': '"two-9"' };
      response.writeHead(200, request.method === 'GET' ? { ...head, ...invalidation } : invalidation);
      response.end(String(count));
    },
    { edges: 2, cacheUrl: server.url },
  );
  // In the response to a safe method the field means nothing.
  for (const path of ['/9/a', '/9/b']) for (const edge of [0, 1]) await get(path, { edge });
  expect(bodyOf(await get('/9/a', { edge: 1 }))).toBe('1');
  await get('/change', { method: 'POST', edge: 0 });
  expect(bodyOf(await get('/9/a', { edge: 1 }))).toBe('4');
  expect(bodyOf(await get('/9/b', { edge: 1 }))).toBe('2');
});

test('a purge of a deployment ends all that it stored', async () => {
  const { get, caches } = await numbered({ 'Cache-Control': 'max-age=60' });
  await get('/10/a', { edge: 1 });
  await caches[0]?.purgeTag(PROJECT, 'deployment:a1b2c3d4-0000-4000-8000-000000000001');
  expect(bodyOf(await get('/10/a', { edge: 1 }))).toBe('2');
});

test('what was purged is not in the way of what came after, though it is dated ahead', async () => {
  const aheadMs = Date.now() + 3_600_000;
  let isBefore = true;
  const { get, caches, runner } = await setUpCache(
    (_request, response) => {
      const tagged = { 'Cache-Control': 'max-age=7200', 'Cache-Tag': 'ahead' };
      const before = { ...tagged, Vary: 'X-A', Date: new Date(aheadMs).toUTCString() };
      response.writeHead(200, isBefore ? before : { ...tagged, Vary: 'X-B' }).end(isBefore ? 'old' : 'new');
    },
    { edges: 2, cacheUrl: server.url, manifest: { profile: 'rfc' } },
  );
  const ask = async (edge: number, a: string): Promise<string> =>
    bodyOf(await get('/18/', { edge, headers: { 'x-a': a, 'x-b': '1' } }));
  expect([await ask(0, '1'), await ask(0, '2')]).toEqual(['old', 'old']);
  await caches[0]?.purgeTag(PROJECT, 'ahead');
  isBefore = false;
  expect(await ask(0, '1')).toBe('new');
  // The purged variant of X-A: 1 still stands in the shared cache, and its way there is known.
  expect(await ask(1, '1')).toBe('new');
  expect(runner.calls).toHaveLength(3);
});

test('what one gateway found fresh again, or refreshed, the other sees before it asks', async () => {
  const { get, clock, runner } = await numbered({ 'Cache-Control': 'max-age=10', ETag: '"v"' });
  for (const edge of [0, 1]) await get('/11/a', { edge });
  clock.advance(11_000);
  await get('/11/a', { edge: 0 });
  expect(statusOf(await get('/11/a', { edge: 1 }))).toContain('; hit');
  expect(runner.calls).toHaveLength(2);
});

test('without the cache server nothing stored is served, because nobody can say what was purged; then it is again', async () => {
  const own = await startCacheServer();
  let count = 0;
  const { get, caches } = await setUpCache(
    (_request, response) => {
      count += 1;
      response.writeHead(200, { 'Cache-Control': 'max-age=600', 'Cache-Tag': 'posts-12' }).end(String(count));
    },
    { edges: 1, cacheUrl: own.url },
  );
  await get('/12/a');
  await own.kill();
  await waitUntil(() => caches[0]?.holdsLease() === false);
  expect(bodyOf(await get('/12/a'))).toBe('2');
  expect((await get('/12/a')).status).toBe(200);
  await own.restart();
  await waitUntil(async () => statusOf(await get('/12/a')).includes('; hit'));
  await own.close();
});

test('without the cache server requests at one time share one call all the same, but nothing of it is kept', async () => {
  const own = await startCacheServer();
  let release = (): void => {};
  const rig = await setUpCache(
    async (_request, response) => {
      await new Promise<void>((resolve) => (release = resolve));
      response.writeHead(200, { 'Cache-Control': 'max-age=600' }).end('body');
    },
    { edges: 1, cacheUrl: own.url },
  );
  await own.kill();
  await waitUntil(() => rig.caches[0]?.holdsLease() === false);
  const askTwenty = async (): Promise<string[]> => {
    const calls = rig.runner.calls.length;
    const replies = Array.from({ length: 20 }, () => rig.get('/16/a'));
    await waitUntil(() => rig.edges[0]?.underWay() === 20 && rig.runner.calls.length > calls);
    release();
    return (await Promise.all(replies)).map((reply) => `${bodyOf(reply)} ${statusOf(reply)}`);
  };
  const seen = [...(await askTwenty()), ...(await askTwenty())];
  expect(rig.runner.calls).toHaveLength(2);
  const lead = 'body origan-edge; fwd=uri-miss; fwd-status=200';
  expect(new Set(seen)).toEqual(new Set([lead, `${lead}; collapsed`]));
  await own.close();
});

test('an entry in the shared cache that does not parse is a miss', async () => {
  const { get } = await numbered({ 'Cache-Control': 'max-age=60' });
  await get('/13/a', { edge: 0 });
  const admin = server.admin();
  for (const key of await admin.keys('*response:*')) await admin.set(key, 'garbage');
  expect(bodyOf(await get('/13/a', { edge: 1 }))).toBe('2');
});

test('responses of more than a MiB stay in the memory of who stored them', async () => {
  const { get, runner } = await setUpCache(
    (_request, response) => {
      response.writeHead(200, { 'Cache-Control': 'max-age=60' }).end(Buffer.alloc(1024 * 1024 + 1, 'x'));
    },
    { edges: 2, cacheUrl: server.url },
  );
  for (const edge of [0, 0, 1]) await get('/14/big', { edge });
  expect(runner.calls).toHaveLength(2);
});
