import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { waitUntil } from '../../support/wait-until.ts';
import { bodyOf, cleanUpAfterEach, setUpCache, statusOf, type Rig } from './rig.ts';

cleanUpAfterEach();

/** What a client sends: whatever is no part of the key is its own. */
function from(name: string, headers: Record<string, string> = {}): { headers: Record<string, string> } {
  const own = {
    cookie: `session=${name}`,
    'user-agent': `Browser of ${name}`,
    'x-forwarded-for': ADDRESSES[name] ?? '',
  };
  return { headers: { ...own, ...headers } };
}

const ADDRESSES: Readonly<Record<string, string>> = {
  anna: '192.0.2.1',
  ben: '192.0.2.2',
  carla: '192.0.2.3',
  dora: '192.0.2.4',
};

/** Shows what of a client reached it. */
function show({ headers }: IncomingMessage): string {
  const shown = ['accept-language', 'cookie', 'user-agent', 'x-forwarded-for'];
  return shown
    .filter((name) => headers[name] !== undefined)
    .map((name) => `${name}: ${String(headers[name])}`)
    .join('; ');
}

function setUp(play: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<Rig> {
  return setUpCache(play, { trustedProxies: ['127.0.0.1'] });
}

test('the example of docs/response-cache.md', async () => {
  const { get, runner } = await setUp((request, response) => {
    response.writeHead(200, { 'Cache-Control': 's-maxage=60', Vary: 'Accept-Language' }).end(show(request));
  });
  const rows: string[] = [];
  for (const [name, language] of [
    ['anna', 'de'],
    ['anna', 'de'],
    ['ben', 'de'],
    ['carla', 'de'],
    ['dora', 'fr'],
  ] as const) {
    const calls = runner.calls.length;
    const reply = await get('/', from(name, { 'accept-language': language }));
    const saw = runner.calls.length > calls ? bodyOf(reply) : '(not called)';
    rows.push(`${name}, ${language} | ${saw} | ${statusOf(reply)}`);
  }
  process.stdout.write(`${rows.join('\n')}\n`);
  expect(rows).toEqual([
    'anna, de | accept-language: de; cookie: session=anna; user-agent: Browser of anna; x-forwarded-for: 192.0.2.1 | origan-edge; fwd=uri-miss; fwd-status=200; stored',
    'anna, de | (not called) | origan-edge; hit; ttl=60',
    'ben, de | accept-language: de; user-agent: origan-edge | origan-edge; fwd=vary-miss; fwd-status=200; stored',
    'carla, de | (not called) | origan-edge; hit; ttl=60',
    'dora, fr | accept-language: fr; user-agent: origan-edge | origan-edge; fwd=vary-miss; fwd-status=200; stored',
  ]);
});

test('a call for everybody carries these headers and no others', async () => {
  const { get, runner } = await setUp((_request, response) => {
    response.writeHead(200, { 'Cache-Control': 's-maxage=60', Vary: 'X-Mode, Accept-Language' }).end();
  });
  const much = {
    'x-mode': 'a,b',
    'accept-language': 'EN-us , de;q=0.5',
    referer: 'x',
    'sec-fetch-mode': 'navigate',
    via: '1.0 x',
  };
  await get('/a?b=1', from('anna'));
  await get(
    '/a?b=1',
    from('ben', { ...much, accept: 'text/html', range: 'bytes=0-1', traceparent: 'x', te: 'trailers' }),
  );
  const seen = Object.entries(runner.calls.at(-1)?.headers ?? {}).filter(
    ([name]) => !name.startsWith('x-origan-'),
  );
  expect(Object.fromEntries(seen)).toEqual({
    accept: '*/*',
    'accept-language': 'en-US, de;q=0.5',
    connection: expect.any(String) as string,
    forwarded: 'host="site.test";proto=http',
    host: 'site.test',
    'user-agent': 'origan-edge',
    via: '1.1 origan-edge',
    'x-forwarded-host': 'site.test',
    'x-forwarded-proto': 'http',
    'x-mode': 'a, b',
  });
});

test('a page for one client alone costs one call each, with all that the client sent', async () => {
  const { get, runner } = await setUp((request, response) => {
    response.writeHead(200, { 'Cache-Control': 'private' }).end(show(request));
  });
  for (const name of ['anna', 'ben', 'anna']) {
    const shown = `cookie: session=${name}; user-agent: Browser of ${name}; x-forwarded-for: ${ADDRESSES[name]}`;
    expect(bodyOf(await get('/', from(name)))).toBe(shown);
  }
  expect(runner.calls).toHaveLength(3);
});

test('what not everybody may have after all, its client gets; for a while nobody asks for everybody', async () => {
  const { get, clock, runner } = await setUp((request, response) => {
    // For those who have a cookie it is for everybody, it says.
    const has = request.headers.cookie !== undefined;
    response.writeHead(200, { 'Cache-Control': has ? 's-maxage=60' : 'private' }).end(show(request));
  });
  await get('/', from('anna'));
  const ben = await get('/', from('ben'));
  expect([bodyOf(ben), statusOf(ben)]).toEqual([
    expect.stringContaining('session=ben'),
    'origan-edge; fwd=vary-miss; fwd-status=200; stored; detail=private',
  ]);
  expect(runner.calls).toHaveLength(3);
  expect(bodyOf(await get('/', from('carla')))).toContain('session=carla');
  expect(runner.calls).toHaveLength(4);
  clock.advance(121_000);
  await get('/', from('dora'));
  expect(runner.calls).toHaveLength(6);
});

test('a header that turns out to count is learnt, and asked for at once', async () => {
  const { get, runner } = await setUp((request, response) => {
    const path = request.url === '/' ? 'Cookie' : 'X-Mode';
    response.writeHead(200, { 'Cache-Control': 's-maxage=60', Vary: path }).end(show(request));
  });
  await get('/', from('anna'));
  expect(bodyOf(await get('/', from('ben')))).toBe('cookie: session=ben; user-agent: origan-edge');
  expect(runner.calls).toHaveLength(2);
});

test('a Vary that comes late costs one more call, once', async () => {
  let vary = {};
  const { get, runner, clock } = await setUp((request, response) => {
    response.writeHead(200, { 'Cache-Control': 's-maxage=60', ...vary }).end(show(request));
  });
  await get('/', from('anna'));
  vary = { Vary: 'Cookie' };
  clock.advance(61_000);
  expect(bodyOf(await get('/', from('ben')))).toBe('cookie: session=ben; user-agent: origan-edge');
  expect(runner.calls).toHaveLength(3);
  expect(bodyOf(await get('/', from('carla')))).toBe('cookie: session=carla; user-agent: origan-edge');
  expect(runner.calls).toHaveLength(4);
});

test('what varies on the address is for its client alone', async () => {
  const { get } = await setUp((request, response) => {
    response.writeHead(200, { 'Cache-Control': 's-maxage=60', Vary: 'X-Forwarded-For' }).end(show(request));
  });
  for (const name of ['anna', 'ben', 'anna']) {
    const reply = await get('/', from(name));
    expect([bodyOf(reply), statusOf(reply)]).toEqual([
      expect.stringContaining(`x-forwarded-for: ${ADDRESSES[name]}`),
      'origan-edge; fwd=uri-miss; fwd-status=200',
    ]);
  }
});

test('different clients at once at an address of which nothing is known are two calls', async () => {
  const waiting: ServerResponse[] = [];
  const { get, edges, runner } = await setUp((_request, response) => waiting.push(response));
  const replies = Array.from({ length: 100 }, (_each, index) => get('/', from(`client ${index}`)));
  await waitUntil(() => waiting.length === 1 && edges[0]?.underWay() === 100);
  waiting.pop()?.writeHead(200, { 'Cache-Control': 's-maxage=60' }).end('first');
  await waitUntil(() => waiting.length === 1 && edges[0]?.underWay() === 99);
  waiting.pop()?.writeHead(200, { 'Cache-Control': 's-maxage=60' }).end('all');
  const bodies = (await Promise.all(replies)).map(bodyOf);
  expect(bodies.filter((body) => body === 'first')).toHaveLength(1);
  expect(bodies.filter((body) => body === 'all')).toHaveLength(99);
  expect(runner.calls).toHaveLength(2);
});

test('they do not wait for the body of a response that is not theirs', async () => {
  const waiting: ServerResponse[] = [];
  const { get } = await setUp((_request, response) => waiting.push(response));
  const first = get('/', from('anna'));
  await waitUntil(() => waiting.length === 1);
  const second = get('/', from('ben'));
  waiting[0]?.writeHead(200, { 'Cache-Control': 's-maxage=60' }).write('the beginning');
  await waitUntil(() => waiting.length === 2);
  waiting[1]?.writeHead(200, { 'Cache-Control': 's-maxage=60' }).end('all');
  expect(bodyOf(await second)).toBe('all');
  waiting[0]?.end(' and the end');
  expect(bodyOf(await first)).toBe('the beginning and the end');
});

test('with credentials: for one client, unless responses of the address are meant for all', async () => {
  const { get, runner } = await setUp((request, response) => {
    const lifetime = request.url === '/meant' ? 's-maxage=60' : 'max-age=60';
    response.writeHead(200, { 'Cache-Control': lifetime }).end(String(request.headers.authorization));
  });
  const ask = async (path: string, user: string): Promise<string> =>
    bodyOf(await get(path, from(user, { authorization: `Bearer ${user}` })));
  expect([await ask('/own', 'anna'), await ask('/own', 'ben')]).toEqual(['Bearer anna', 'Bearer ben']);
  expect([await ask('/meant', 'anna'), await ask('/meant', 'ben')]).toEqual(['Bearer anna', 'undefined']);
  expect(await ask('/meant', 'carla')).toBe('undefined');
  expect(runner.calls).toHaveLength(4);
});

test('of what says that it is too large to store, a client gets the range that it asked for', async () => {
  const rig = await setUpCache(
    (request, response) => {
      const isPart = request.headers.range !== undefined;
      const headers = { 'Cache-Control': 's-maxage=60', ETag: '"v"', 'Content-Length': isPart ? 2 : 100 };
      if (isPart) response.writeHead(206, { ...headers, 'Content-Range': 'bytes 0-1/100' }).end('01');
      else response.writeHead(200, headers).end('x'.repeat(100));
    },
    { cache: { maxEntryBytes: 50 } },
  );
  const headers = { range: 'bytes=0-1' };
  const seen = [];
  for (let turn = 0; turn < 3; turn += 1) {
    const { status } = await rig.get('/', { headers });
    seen.push(`${status} ${rig.runner.calls.length}`);
  }
  // Asked for the whole once, and not again for a while.
  expect(seen).toEqual(['206 1', '206 3', '206 4']);
});
