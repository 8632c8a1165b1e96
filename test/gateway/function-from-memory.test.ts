import { Agent } from 'node:http';
import { afterAll, expect, test, vi } from 'vitest';
import { cleanUpAfterEach, setUpCache, type Rig } from './response-cache/rig.ts';
import { HOST } from '../support/start-edge.ts';
import { waitUntil } from '../support/wait-until.ts';
import { visit, type Visit, type VisitOptions } from '../support/visit.ts';

// The short way of a stored response answers what the flow answers; the last answer of a connection is left to the flow.

const agent = new Agent({ keepAlive: true });
afterAll(() => agent.destroy());
cleanUpAfterEach();

const play: Parameters<typeof setUpCache>[0] = (request, response) => {
  const path = request.url ?? '';
  const isPrivate = path.startsWith('/private');
  response.writeHead(path.startsWith('/gone') ? 410 : 200, {
    'Cache-Control': isPrivate ? 'private' : 'max-age=60, stale-while-revalidate=600',
    'Content-Type': 'text/plain',
    ETag: '"v1"',
    'X-Bytes': 'caf\u{e9}',
    Vary: 'Accept-Language',
  });
  response.end(path.startsWith('/empty') ? '' : 'The whole of it.');
};

async function look(
  rig: Rig,
  path: string,
  options: VisitOptions = {},
): Promise<Visit & { isShort: boolean }> {
  const [edge] = rig.edges;
  if (edge === undefined) throw new Error('no edge');
  const before = edge.answeredAtOnce();
  const seen = await visit(edge.port, HOST, path, { agent, ...options });
  return { ...seen, isShort: edge.answeredAtOnce() > before };
}

/** Asks until memory alone answers. */
async function warm(rig: Rig, path: string): Promise<void> {
  await waitUntil(async () => (await look(rig, path)).isShort);
}

/** The same request on a connection of its own, which goes through the flow. */
function throughFlow(rig: Rig, path: string, { headers, ...options }: VisitOptions): ReturnType<typeof look> {
  return look(rig, path, { ...options, headers: { ...headers, connection: 'close' } });
}

/** Without what differs from request to request. */
function comparable({ status, rawHeaders, body }: Visit): unknown {
  const own = new Set(['x-origan-request-id', 'connection', 'keep-alive']);
  const names = rawHeaders.filter((_, index) => index % 2 === 0);
  const lines = names.map((name, index) => `${name}: ${rawHeaders[index * 2 + 1]}`);
  return {
    status,
    body: body.toString(),
    lines: lines.filter((_, at) => !own.has(names[at]?.toLowerCase() ?? '')),
  };
}

test.each<[string, string, VisitOptions]>([
  ['a whole response', '/a', {}],
  ['HEAD', '/a', { method: 'HEAD' }],
  ['a query in another order', '/a?y=2&x=1', {}],
  ['304 by its tag', '/a', { headers: { 'if-none-match': 'W/"v1"' } }],
  ['a range', '/a', { headers: { range: 'bytes=4-8' } }],
  ['a range that is not there', '/a', { headers: { range: 'bytes=99-' } }],
  ['an error that may be stored', '/gone', {}],
  ['an empty body', '/empty', {}],
])('%s is answered alike', async (_what, path, options) => {
  const rig = await setUpCache(play);
  await warm(rig, path.replace('?y=2&x=1', '?x=1&y=2'));
  const flow = await throughFlow(rig, path, options);
  const short = await look(rig, path, options);
  expect([flow.isShort, short.isShort]).toEqual([false, true]);
  expect(comparable(short)).toEqual(comparable(flow));
  expect(rig.runner.calls).toHaveLength(1);
});

test('a stale response goes out at once and is refreshed once', async () => {
  const rig = await setUpCache(play);
  await warm(rig, '/a');
  rig.clock.advance(120_000);
  const stale = await look(rig, '/a');
  expect([stale.isShort, stale.headers['cache-status']]).toEqual([
    true,
    expect.stringContaining('hit; ttl=-60'),
  ]);
  await vi.waitFor(() => expect(rig.runner.calls).toHaveLength(2), 50_000);
  await vi.waitFor(async () => expect((await look(rig, '/a')).headers['age']).toBe('0'), 50_000);
  expect(rig.runner.calls).toHaveLength(2);
});

test.each<[string, string, VisitOptions]>([
  ['what nobody may store', '/private', {}],
  ['another variant', '/a', { headers: { 'accept-language': 'eo' } }],
  ['a client that wants it fresh', '/a', { headers: { 'cache-control': 'no-cache' } }],
  ['If-Match', '/a', { headers: { 'if-match': '"v1"' } }],
  ['another method', '/a', { method: 'POST' }],
  ['a pin to another build', '/a?dpl=another', {}],
  ['an authority’s path', '/.well-known/acme-challenge/token', {}],
  ['dot segments', '/b/../a%zz', {}],
])('%s is left to the flow', async (_what, path, options) => {
  const rig = await setUpCache(play);
  await warm(rig, '/a');
  expect((await look(rig, path, options)).isShort).toBe(false);
});

test('a hit is recorded once, as the flow records it', async () => {
  const rig = await setUpCache(play);
  await warm(rig, '/a');
  const { headers } = await look(rig, '/a?z=1');
  const [edge] = rig.edges;
  const record = await edge?.recordOf(String(headers['x-origan-request-id']));
  expect(record).toMatchObject({ route: 'function', cache: 'miss', status: 200, path: '/a?z=1' });
  const hit = await look(rig, '/a');
  const id = String(hit.headers['x-origan-request-id']);
  expect(hit.isShort).toBe(true);
  expect(await edge?.recordOf(id)).toMatchObject({
    route: 'function',
    cache: 'hit',
    status: 200,
    path: '/a',
  });
  expect(edge?.records.filter((each) => each.id === id)).toHaveLength(1);
});
