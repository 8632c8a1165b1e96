import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import type { StaticResource } from '../../../contracts/manifest.ts';
import { ask } from '../../support/ask.ts';
import { openRaw } from '../../support/raw-http.ts';
import { serveSites, siteOf, type ServedSites } from '../../support/serve-sites.ts';
import { watchStore, type WatchedStore } from '../../support/watched-store.ts';

const HOST = 'site.test';
const TEXT = 'a line that repeats itself\n'.repeat(200);

let edge: ServedSites | undefined;
let store: WatchedStore;

afterEach(async () => {
  await edge?.close();
  edge = undefined;
});

type Built = ReturnType<typeof siteOf>;

async function serve({ record, objects }: Built, more: object = {}): Promise<number> {
  edge = await serveSites({
    sites: { [HOST]: record },
    objects,
    ...more,
    wrapStore: (plain) => (store = watchStore(plain)),
  });
  return edge.port;
}

const withResource = (resource: Omit<StaticResource, 'kind'>): Built =>
  siteOf({}, { resources: [{ kind: 'static', ...resource }] });

describe('what the manifest names and the bucket does not have', () => {
  test.each([
    ['small', { urlPath: '/a.txt', resourcePath: 'a.txt', hash: 'a'.repeat(64), size: 10 }],
    ['large', { urlPath: '/a.txt', resourcePath: 'a.txt', hash: 'a'.repeat(64), size: 10_000_000 }],
    ['of an old manifest', { urlPath: '/a.txt', resourcePath: 'a.txt' }],
  ])('a file (%s) is 502, never a page of something else', async (_name, resource) => {
    const built = withResource(resource);
    const index = siteOf({ '/index.html': 'the app' });
    built.record.config.resources.push(...index.record.config.resources);
    built.record.config.notFound = 'spa';
    const port = await serve({ record: built.record, objects: index.objects });
    for (const method of ['GET', 'HEAD']) {
      const answer = await ask(port, { method, target: '/a.txt', headers: { accept: 'text/html' } });
      expect([answer.status, answer.header('cache-control')], method).toEqual([502, 'no-store']);
    }
  });

  test('an encoded form gives way to another one', async () => {
    const built = siteOf({ '/a.txt': TEXT });
    const [resource] = built.record.config.resources as [StaticResource];
    resource.encodings = { br: { hash: 'b'.repeat(64), size: 50 } };
    const port = await serve(built);
    const answer = await ask(port, { target: '/a.txt', headers: { 'accept-encoding': 'br' } });
    expect([answer.status, answer.header('content-encoding'), answer.text]).toEqual([200, undefined, TEXT]);
    expect(answer.header('vary')).toBe('Accept-Encoding');
  });
});

test('bytes that are not those of the hash are never served, nor kept for anybody', async () => {
  const built = siteOf({ '/a.txt': 'what was promised' });
  const key = Object.keys(built.objects)[0] ?? '';
  const port = await serve({ ...built, objects: { [key]: Buffer.from('something else!!!') } });
  expect((await ask(port, { target: '/a.txt' })).status).toBe(502);
  expect((await ask(port, { target: '/a.txt' })).status).toBe(502);
  await store.put(key, Buffer.from('what was promised'));
  expect((await ask(port, { target: '/a.txt' })).text).toBe('what was promised');
});

describe('a bucket that fails', () => {
  test('is 503 with Retry-After, never 404; what is in memory goes on', async () => {
    const port = await serve(siteOf({ '/a.txt': 'known', '/b.txt': 'unknown', '/404.html': 'no such page' }));
    await ask(port, { target: '/a.txt' });
    store.isFailing = true;
    const failed = await ask(port, { target: '/b.txt' });
    expect([failed.status, failed.header('retry-after'), failed.header('cache-control')]).toEqual([
      503,
      '2',
      'no-store',
    ]);
    const known = await ask(port, { target: '/a.txt' });
    expect([known.status, known.text]).toEqual([200, 'known']);
    expect((await ask(port, { target: '/nope' })).status).toBe(503);
    store.isFailing = false;
    expect((await ask(port, { target: '/b.txt' })).text).toBe('unknown');
    expect((await ask(port, { target: '/nope' })).status).toBe(404);
  });
});

test('many requests for one file are one read, and one entry for two sites that share it', async () => {
  const built = siteOf({ '/a.txt': 'shared' });
  const twin = siteOf({ '/other/name.txt': 'shared' }, {}, 'dep-2');
  let open = (): void => {};
  edge = await serveSites({
    sites: { [HOST]: built.record, 'twin.test': twin.record },
    objects: built.objects,
    wrapStore: (plain) => (store = watchStore(plain)),
  });
  const { port } = edge;
  store.gate = new Promise((resolve) => (open = resolve));
  const answers = Array.from({ length: 50 }, () => ask(port, { target: '/a.txt' }));
  while (store.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
  open();
  for (const answer of await Promise.all(answers)) expect(answer.text).toBe('shared');
  expect((await ask(port, { host: 'twin.test', target: '/other/name.txt' })).text).toBe('shared');
  expect(store.calls.map(({ method }) => method)).toEqual(['read']);
});

describe('a large file', () => {
  const bytes = createHash('shake256', { outputLength: 3_000_000 }).update('large').digest();

  test('streams from the bucket, ranges included, and never stays in memory', async () => {
    const port = await serve(siteOf({ '/large.bin': bytes }), { maxEntryBytes: 1_000_000 });
    const whole = await ask(port, { target: '/large.bin' });
    expect(whole.body.equals(bytes)).toBe(true);
    const part = await ask(port, { target: '/large.bin', headers: { range: 'bytes=1000000-1999999' } });
    expect([part.status, part.header('content-range')]).toEqual([206, 'bytes 1000000-1999999/3000000']);
    expect(part.body.equals(bytes.subarray(1_000_000, 2_000_000))).toBe(true);
    const etag = whole.header('etag') ?? '';
    const again = await ask(port, { target: '/large.bin', headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
    expect(store.calls.map(({ method }) => method)).toEqual(['get', 'get']);
  });

  test('a client that leaves ends the read, and the gateway goes on', async () => {
    const port = await serve(siteOf({ '/large.bin': bytes }), { maxEntryBytes: 1000 });
    const client = await openRaw(port);
    client.socket.pause();
    client.send(`GET /large.bin HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
    while (store.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const [call] = store.calls;
    const aborted = new Promise<void>((resolve) => call?.signal?.addEventListener('abort', () => resolve()));
    client.socket.resetAndDestroy();
    await aborted;
    expect((await ask(port, { target: '/large.bin', headers: { range: 'bytes=0-3' } })).status).toBe(206);
  });

  test('an object of another size than the manifest says is 502', async () => {
    const built = siteOf({ '/large.bin': bytes });
    const key = Object.keys(built.objects)[0] ?? '';
    const port = await serve({ ...built, objects: { [key]: bytes.subarray(1) } }, { maxEntryBytes: 1000 });
    for (const method of ['GET', 'HEAD']) {
      expect((await ask(port, { method, target: '/large.bin' })).status, method).toBe(502);
    }
  });
});

describe('encoding in the background', () => {
  const gzip = { 'accept-encoding': 'gzip' };

  test('is never on the way of a request, and serves the next one', async () => {
    const port = await serve(siteOf({ '/a.txt': TEXT }));
    const first = await ask(port, { target: '/a.txt', headers: gzip });
    expect([first.header('content-encoding'), first.text]).toEqual([undefined, TEXT]);
    expect(first.header('vary')).toBe('Accept-Encoding');
    await edge?.edge.files.idle();
    const second = await ask(port, { target: '/a.txt', headers: gzip });
    expect(second.header('content-encoding')).toBe('gzip');
    expect(gunzipSync(second.body).toString()).toBe(TEXT);
    expect(second.header('etag')).not.toBe(first.header('etag'));
    expect(store.calls.length).toBe(1);
  });

  test.each([
    ['small', '/a.txt', 'x'.repeat(1023), undefined],
    ['of a type that is compressed already', '/a.png', TEXT, undefined],
    [
      'one that would not save a twentieth',
      '/a.txt',
      createHash('shake256', { outputLength: 5000 }).update('x').digest(),
      'Accept-Encoding',
    ],
  ])('leaves a file alone that is %s', async (_name, path, content, vary) => {
    const port = await serve(siteOf({ [path]: content }));
    for (let round = 0; round < 2; round += 1) {
      const answer = await ask(port, { target: path, headers: gzip });
      expect([answer.status, answer.header('content-encoding'), answer.header('vary')]).toEqual([
        200,
        undefined,
        vary,
      ]);
      await edge?.edge.files.idle();
    }
  });

  test('a client that accepts nothing that there is gets 406', async () => {
    const port = await serve(siteOf({ '/a.png': TEXT }));
    const answer = await ask(port, { target: '/a.png', headers: { 'accept-encoding': 'identity;q=0, br' } });
    expect(answer.status).toBe(406);
  });
});

test('the memory for files is bounded, and what it cannot hold is served all the same', async () => {
  const files = Object.fromEntries(
    Array.from({ length: 20 }, (_, index) => [`/${index}.bin`, Buffer.alloc(10_000, index)]),
  );
  const port = await serve(siteOf(files), { cacheBytes: 50_000 });
  for (let round = 0; round < 2; round += 1) {
    for (const [target, content] of Object.entries(files)) {
      const answer = await ask(port, { target });
      expect(answer.body.equals(content), target).toBe(true);
    }
  }
  expect(store.calls.length).toBe(40);
});

test('an id or a path that could reach another object is never asked for', async () => {
  const built = siteOf({ '/index.html': 'home' });
  built.record.config.resources.push(
    { kind: 'static', urlPath: '/x/../secret', resourcePath: 'a' },
    { kind: 'static', urlPath: '//evil', resourcePath: 'b' },
  );
  const port = await serve(built);
  for (const target of ['/secret', '/x/../secret', '/evil']) await ask(port, { target });
  expect(store.calls).toEqual([]);
});
