import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tagOfUrl } from '../../../cache/url-tag.ts';
import { startCacheServer, type CacheServer } from '../../support/cache-server.ts';
import type { ReceivedReply } from '../../support/send-request.ts';
import { HOST } from '../../support/start-edge.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { bodyOf, cleanUpAfterEach, setUpCache, type GetOptions, type Rig, type RigOptions } from './rig.ts';

/**
 * What one gateway is asking a function for while another gateway sees a request that changes it: two gateways, one real
 * cache server, and a function that reads its state when it is called and answers when it is told to.
 */

let server: CacheServer;
beforeAll(async () => {
  server = await startCacheServer();
});
afterAll(() => server.close());
cleanUpAfterEach();

const PROJECT = 'project-1';
const FRESH = { 'Cache-Control': 'max-age=60' };

type Held = Rig & {
  /** From now on answers to GET and HEAD are held back. */
  hold: () => void;
  /** Lets go what is held back, and holds nothing any more. */
  letGo: () => void;
  /** Sends one request that is held back; resolves when the function has got it. */
  askHeld: (path: string, options: GetOptions) => Promise<{ reply: Promise<ReceivedReply> }>;
};

type Answer = (response: ServerResponse, version: number, method: string) => void;

/** Answers with the version that it had when it was called; whatever is neither GET nor HEAD makes the next one. */
async function setUpVersions(
  options: RigOptions & { answer?: Answer; change?: Record<string, string> } = {},
): Promise<Held> {
  const answer =
    options.answer ?? ((response, version) => void response.writeHead(200, FRESH).end(`version ${version}`));
  let version = 1;
  let isHolding = false;
  const held: (() => void)[] = [];
  const rig = await setUpCache(
    ({ method = '' }, response) => {
      if (method !== 'GET' && method !== 'HEAD') {
        version += 1;
        response.writeHead(204, options.change).end();
        return;
      }
      const then = version;
      const send = (): void => answer(response, then, method);
      if (isHolding) held.push(send);
      else send();
    },
    { edges: 2, cacheUrl: server.url, ...options },
  );
  const askHeld: Held['askHeld'] = async (path, asked) => {
    const before = held.length;
    const reply = rig.get(path, asked);
    await waitUntil(() => held.length > before);
    return { reply };
  };
  return {
    ...rig,
    askHeld,
    hold: () => (isHolding = true),
    letGo: () => {
      isHolding = false;
      for (const send of held.splice(0)) send();
    },
  };
}

/** Both gateways show the version, and from the second answer on without asking. */
async function expectShown({ get, runner }: Rig, path: string, version: number): Promise<void> {
  const calls = runner.callsOf(path).length;
  for (const edge of [1, 0, 1, 0]) expect(bodyOf(await get(path, { edge }))).toBe(`version ${version}`);
  expect(runner.callsOf(path).length - calls).toBeLessThanOrEqual(1);
}

/** Paths that no other test has: they share the server. */
let paths = 0;
function newPath(): string {
  paths += 1;
  return `/${paths}`;
}

test('a first fetch elsewhere is not stored after it', async () => {
  const path = newPath();
  const rig = await setUpVersions();
  rig.hold();
  const before = await rig.askHeld(path, { edge: 1 });
  await rig.get(path, { method: 'POST', edge: 0 });
  rig.letGo();
  expect(bodyOf(await before.reply)).toBe('version 1');
  await expectShown(rig, path, 2);
});

test('nor does anybody wait for it who asks after the change', async () => {
  const path = newPath();
  const rig = await setUpVersions();
  rig.hold();
  const before = await rig.askHeld(path, { edge: 1 });
  await rig.get(path, { method: 'POST', edge: 0 });
  const after = Array.from({ length: 10 }, () => rig.get(path, { edge: 1 }));
  await waitUntil(() => rig.edges[1]?.underWay() === 11);
  rig.letGo();
  expect(bodyOf(await before.reply)).toBe('version 1');
  for (const reply of await Promise.all(after)) expect(bodyOf(reply)).toBe('version 2');
  expect(rig.runner.callsOf(path).filter(({ method }) => method === 'GET')).toHaveLength(2);
});

test('a response whose head is out and whose body is on its way', async () => {
  const path = newPath();
  const endings: (() => void)[] = [];
  const rig = await setUpVersions({
    answer: (response, version) => {
      response.writeHead(200, FRESH).write('version ');
      if (version === 1) endings.push(() => response.end('1'));
      else response.end(String(version));
    },
  });
  const before = rig.get(path, { edge: 1 });
  await waitUntil(() => endings.length === 1);
  await rig.get(path, { method: 'POST', edge: 0 });
  for (const end of endings) end();
  expect(bodyOf(await before)).toBe('version 1');
  await expectShown(rig, path, 2);
});

test.each([
  ['validated', { ...FRESH, ETag: '"same"' }],
  ['fetched again', FRESH],
  ['refreshed in the background', { 'Cache-Control': 'max-age=60, stale-while-revalidate=600' }],
])('what is stored and being %s elsewhere', async (_how, headers) => {
  const path = newPath();
  const rig = await setUpVersions({
    answer: (response, version) => void response.writeHead(200, headers).end(`version ${version}`),
  });
  for (const edge of [0, 1]) await rig.get(path, { edge });
  rig.clock.advance(61_000);
  rig.hold();
  const before = await rig.askHeld(path, { edge: 1 });
  await rig.get(path, { method: 'DELETE', edge: 0 });
  rig.letGo();
  expect(bodyOf(await before.reply)).toBe('version 1');
  await waitUntil(() => rig.runner.underWay() === 0);
  await expectShown(rig, path, 2);
});

test('a validation that finds it unchanged does not bring it back, nor push out what came after the change', async () => {
  const path = newPath();
  const rig = await setUpCache(
    (request, response) => {
      if (request.method !== 'GET') return void response.writeHead(204).end();
      if (request.headers['if-none-match'] === undefined) {
        return void response
          .writeHead(200, { ...FRESH, ETag: '"one"' })
          .end(`call ${rig.runner.calls.length}`);
      }
      return void (answerLate = () => response.writeHead(304, { ...FRESH, ETag: '"one"' }).end());
    },
    { edges: 2, cacheUrl: server.url },
  );
  let answerLate: (() => void) | undefined;
  // Two clients: what is asked for one alone is not validated for others.
  for (const client of ['a', 'b']) await rig.get(path, { edge: 1, headers: { 'x-client': client } });
  rig.clock.advance(61_000);
  const before = rig.get(path, { edge: 1 });
  await waitUntil(() => answerLate !== undefined);
  await rig.get(path, { method: 'PUT', edge: 0 });
  const after = bodyOf(await rig.get(path, { edge: 0 }));
  expect(after).toBe('call 5');
  answerLate?.();
  expect(bodyOf(await before)).toBe('call 2');
  for (const edge of [1, 0]) expect(bodyOf(await rig.get(path, { edge }))).toBe(after);
});

test.each([
  ['what has expired is fetched', {}],
  ['a part of it is fetched', { range: 'bytes=5-6' }],
])('%s, and what comes too late does not push out what came after the change', async (_what, headers) => {
  const path = newPath();
  let answerLate: (() => void) | undefined;
  let holds = false;
  const rig = await setUpCache(
    ({ method, headers: { range } }, response) => {
      if (method !== 'GET') {
        response.writeHead(204).end();
        return;
      }
      const whole = `call ${rig.runner.calls.length}`;
      const fields = { 'Cache-Control': 'max-age=60' };
      const send = (): void => {
        if (range === undefined) response.writeHead(200, fields).end(whole);
        else response.writeHead(206, { ...fields, 'Content-Range': 'bytes 5-6/7' }).end('!!');
      };
      if (holds) answerLate = send;
      else send();
    },
    { edges: 2, cacheUrl: server.url, manifest: { profile: 'rfc' } },
  );
  await rig.get(path, { edge: 1, headers });
  rig.clock.advance(61_000);
  holds = true;
  const before = rig.get(path, { edge: 1, headers });
  await waitUntil(() => answerLate !== undefined);
  holds = false;
  await rig.get(path, { method: 'PUT', edge: 0 });
  expect(bodyOf(await rig.get(path, { edge: 0 }))).toBe('call 4');
  answerLate?.();
  await before;
  for (const edge of [1, 0]) expect(bodyOf(await rig.get(path, { edge }))).toBe('call 4');
  expect(rig.runner.callsOf(path)).toHaveLength(4);
});

test('HEAD: what it says of an older version is for nobody who asks later, and freshens nothing', async () => {
  const path = newPath();
  const rig = await setUpVersions({
    answer: (response, version, method) => {
      response.writeHead(200, { ...FRESH, 'X-Version': String(version) });
      response.end(method === 'HEAD' ? undefined : `version ${version}`);
    },
  });
  rig.hold();
  const before = await rig.askHeld(path, { edge: 1, method: 'HEAD' });
  await rig.get(path, { method: 'POST', edge: 0 });
  const after = [0, 1, 2].map(() => rig.get(path, { edge: 1, method: 'HEAD' }));
  await waitUntil(() => rig.edges[1]?.underWay() === 4);
  rig.letGo();
  expect((await before.reply).headers['x-version']).toBe('1');
  for (const { headers } of await Promise.all(after)) expect(headers['x-version']).toBe('2');
  await expectShown(rig, path, 2);
});

test.each(['Location', 'Content-Location'])('what the response names in %s', async (name) => {
  const path = newPath();
  const rig = await setUpVersions({ change: { [name]: `http://${HOST}${path}` } });
  rig.hold();
  const before = await rig.askHeld(path, { edge: 1 });
  await rig.get(newPath(), { method: 'POST', edge: 0 });
  rig.letGo();
  await before.reply;
  await expectShown(rig, path, 2);
});

test('a purge by address', async () => {
  const path = newPath();
  const rig = await setUpVersions();
  rig.hold();
  const before = await rig.askHeld(path, { edge: 1 });
  // The function's state changes without the edge being told, then somebody says so.
  await rig.get(newPath(), { method: 'POST', edge: 0 });
  await rig.caches[0]?.purgeTag(PROJECT, tagOfUrl(HOST, path, '', []));
  rig.letGo();
  await before.reply;
  await expectShown(rig, path, 2);
});

test('a failed unsafe method changes nothing of it', async () => {
  const path = newPath();
  const rig = await setUpCache(
    (request, response) => {
      if (request.method === 'GET') void (answerLate = () => response.writeHead(200, FRESH).end('kept'));
      else response.writeHead(409).end();
    },
    { edges: 2, cacheUrl: server.url },
  );
  let answerLate: (() => void) | undefined;
  const before = rig.get(path, { edge: 1 });
  await waitUntil(() => answerLate !== undefined);
  expect((await rig.get(path, { method: 'POST', edge: 0 })).status).toBe(409);
  answerLate?.();
  await before;
  for (const edge of [0, 1]) expect(bodyOf(await rig.get(path, { edge }))).toBe('kept');
  expect(rig.runner.callsOf(path).filter(({ method }) => method === 'GET')).toHaveLength(1);
});

test.each([
  ['is too large for the shared cache', (body: string) => body.padEnd(1024 * 1024 + 1), false],
  ['has fallen out of the shared cache', (body: string) => body, true],
])('what only the memory of another gateway holds, because it %s, ends as well', async (_why, pad, falls) => {
  const path = newPath();
  const rig = await setUpVersions({
    answer: (response, version) => void response.writeHead(200, FRESH).end(pad(`version ${version}`)),
  });
  await rig.get(path, { edge: 1 });
  const admin = server.admin();
  if (falls) await admin.del(await admin.keys('*response:*'));
  await rig.get(path, { method: 'POST', edge: 0 });
  expect(bodyOf(await rig.get(path, { edge: 1 })).trim()).toBe('version 2');
});

test('what nobody has stored is ended without a word to other gateways', async () => {
  const rig = await setUpVersions();
  const admin = server.admin();
  const published = async (): Promise<number> => Number(await admin.hget('bus', 'seq'));
  const before = await published();
  for (let count = 0; count < 5; count += 1) await rig.get(newPath(), { method: 'POST', edge: 0 });
  expect(await published()).toBe(before);
  const path = newPath();
  await rig.get(path, { edge: 1 });
  await rig.get(path, { method: 'POST', edge: 0 });
  expect(await published()).toBe(before + 1);
});

test('the cache server is lost in between and comes back empty', async () => {
  const own = await startCacheServer();
  const rig = await setUpVersions({ cacheUrl: own.url });
  rig.hold();
  const before = await rig.askHeld('/', { edge: 1 });
  await own.kill();
  await waitUntil(() => rig.caches.every((cache) => cache.state() === 'down'));
  await rig.get('/', { method: 'POST', edge: 0 });
  await own.restart();
  await waitUntil(() => rig.caches.every((cache) => cache.state() === 'up'));
  rig.letGo();
  expect(bodyOf(await before.reply)).toBe('version 1');
  for (const edge of [1, 0, 1]) expect(bodyOf(await rig.get('/', { edge }))).toBe('version 2');
  await own.close();
});

test('a gateway that is cut off from the cache server tells it as soon as it can, and serves nothing stored until then', async () => {
  const link = await startTcpProxy(server);
  const path = newPath();
  const rig = await setUpVersions({ cacheUrl: [link.url, server.url] });
  for (const edge of [0, 1]) await rig.get(path, { edge });
  rig.hold();
  rig.clock.advance(61_000);
  const before = await rig.askHeld(path, { edge: 1 });
  link.refuse();
  await waitUntil(() => rig.caches[0]?.state() === 'down');
  await rig.get(path, { method: 'POST', edge: 0 });
  rig.letGo();
  expect(bodyOf(await before.reply)).toBe('version 1');
  expect(bodyOf(await rig.get(path, { edge: 0 }))).toBe('version 2');
  link.allow();
  await waitUntil(async () => {
    expect(bodyOf(await rig.get(path, { edge: 0 }))).toBe('version 2');
    return bodyOf(await rig.get(path, { edge: 1 })) === 'version 2';
  });
  await link.close();
});
