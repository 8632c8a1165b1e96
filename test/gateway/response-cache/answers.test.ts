import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { bodyOf, cleanUpAfterEach, setUpCache, statusOf, type Rig } from './rig.ts';

cleanUpAfterEach();

const TEN = '0123456789';

/** Asks twice, for two clients: the second one's call is for everybody. */
async function storeForAll(get: Rig['get']): Promise<void> {
  for (const client of ['a', 'b']) await get('/', { headers: { 'x-client': client } });
}

test('a miss is stored, a hit is answered without the function, with Age and Cache-Status', async () => {
  const { get, clock, runner } = await setUpCache((_request, response) => {
    response.writeHead(200, { 'Cache-Control': 's-maxage=60', 'Content-Type': 'text/plain', 'X-App': 'a' });
    response.end('hello');
  });
  const first = await get('/a?b=2&a=1');
  expect(first.headers.age).toBeUndefined();
  expect(statusOf(first)).toBe('origan-edge; fwd=uri-miss; fwd-status=200; stored');
  clock.advance(10_000);
  const second = await get('/a?a=1&b=2');
  expect(runner.calls).toHaveLength(1);
  expect(bodyOf(second)).toBe('hello');
  expect(second.headers).toMatchObject({
    age: '10',
    'cache-status': 'origan-edge; hit; ttl=50',
    'content-length': '5',
    'content-type': 'text/plain',
    'x-app': 'a',
    via: '1.1 origan-edge',
    date: new Date(clock.nowMs() - 10_000).toUTCString(),
  });
});

test('what is stale is validated, and a 304 makes it fresh with its new headers', async () => {
  let turn = 0;
  const { get, clock, runner } = await setUpCache((request, response) => {
    turn += 1;
    const isSame = request.headers['if-none-match'] === '"v1"';
    response.writeHead(isSame ? 304 : 200, {
      'Cache-Control': 'max-age=10',
      ETag: '"v1"',
      'X-Turn': String(turn),
    });
    response.end(isSame ? '' : 'body');
  });
  await storeForAll(get);
  clock.advance(11_000);
  const validated = await get('/');
  expect(statusOf(validated)).toBe('origan-edge; fwd=stale; fwd-status=304; stored');
  expect([bodyOf(validated), validated.headers['x-turn']]).toEqual(['body', '3']);
  const hit = await get('/');
  expect(statusOf(hit)).toContain('; hit; ttl=');
  expect(runner.calls).toHaveLength(3);
});

test('a 304 about something that is not stored is not believed: the whole is asked for', async () => {
  let turn = 0;
  const { get, clock, runner } = await setUpCache((request, response) => {
    turn += 1;
    const isConditional = request.headers['if-none-match'] !== undefined;
    response.writeHead(isConditional ? 304 : 200, { 'Cache-Control': 'max-age=10', ETag: `"v${turn}"` });
    response.end(isConditional ? '' : `body ${turn}`);
  });
  await storeForAll(get);
  clock.advance(11_000);
  expect(bodyOf(await get('/'))).toBe('body 4');
  expect(runner.calls).toHaveLength(4);
});

test.each([
  ['bytes=0-1', 206, '01', 'bytes 0-1/10'],
  ['bytes=3-', 206, '3456789', 'bytes 3-9/10'],
  ['bytes=-1', 206, '9', 'bytes 9-9/10'],
  ['bytes=5-99', 206, '56789', 'bytes 5-9/10'],
  ['bytes=10-', 416, '', 'bytes */10'],
  ['bytes=-0', 416, '', 'bytes */10'],
  ['bytes=3-1', 200, TEN, undefined],
  ['bytes=0-1,3-4', 200, TEN, undefined],
  ['lines=0-1', 200, TEN, undefined],
] as [string, number, string, string | undefined][])(
  'Range %s of a stored response',
  async (range, ...expected) => {
    const [status, body, contentRange] = expected;
    const { get, runner } = await setUpCache((_request, response) => {
      response.writeHead(200, { 'Cache-Control': 'max-age=60' }).end(TEN);
    });
    await get('/');
    const reply = await get('/', { headers: { range } });
    expect([reply.status, bodyOf(reply), reply.headers['content-range']]).toEqual([
      status,
      body,
      contentRange,
    ]);
    expect(reply.headers['content-length']).toBe(String(body.length));
    expect(runner.calls).toHaveLength(1);
  },
);

test('a 416 says nothing of the response that it was asked of, and no cache on the way may keep it', async () => {
  const { get } = await setUpCache((_request, response) => {
    const about = { 'Content-Type': 'text/plain', 'Content-Language': 'de', 'Content-Disposition': 'inline' };
    const caching = { 'Cache-Control': 'max-age=60', 'CDN-Cache-Control': 'max-age=60', ETag: '"v"' };
    const dates = {
      Expires: 'Sun, 06 Nov 2044 08:49:37 GMT',
      'Last-Modified': 'Sun, 06 Nov 1994 08:49:37 GMT',
    };
    const cors = { 'Access-Control-Allow-Origin': '*', Vary: 'Accept' };
    response.writeHead(200, { ...about, ...caching, ...dates, ...cors }).end(TEN);
  });
  await get('/');
  const { status, headers } = await get('/', { headers: { range: 'bytes=10-' } });
  expect([status, headers['cache-control'], headers['content-range']]).toEqual([
    416,
    'no-store',
    'bytes */10',
  ]);
  expect(headers).toMatchObject({
    'access-control-allow-origin': '*',
    vary: 'Accept',
    'content-length': '0',
  });
  const others = ['content-type', 'content-language', 'content-disposition', 'cdn-cache-control', 'etag'];
  for (const name of [...others, 'expires', 'last-modified'])
    expect([name, headers[name]]).toEqual([name, undefined]);
});

test.each(['safe', 'rfc'] as const)(
  '%s: the 416 that one client got for its range is not the answer to others',
  async (profile) => {
    const { get } = await setUpCache(
      (request, response) => {
        const isRanged = request.headers.range !== undefined;
        const headers = { 'Cache-Control': 'max-age=60', ...(isRanged && { 'Content-Range': 'bytes */10' }) };
        response.writeHead(isRanged ? 416 : 200, headers).end(isRanged ? '' : TEN);
      },
      { manifest: { profile } },
    );
    expect((await get('/', { headers: { range: 'bytes=99-' } })).status).toBe(416);
    const whole = await get('/');
    expect([whole.status, bodyOf(whole)]).toEqual([200, TEN]);
    expect(statusOf(await get('/'))).toContain('; hit');
  },
);

test('a range of what is stale is cut from the whole that was asked for', async () => {
  const { get, clock, runner } = await setUpCache((_request, response) => {
    response.writeHead(200, { 'Cache-Control': 'max-age=10, stale-if-error=60' }).end(TEN);
  });
  await get('/');
  clock.advance(11_000);
  const part = await get('/', { headers: { range: 'bytes=2-3' } });
  expect([part.status, bodyOf(part)]).toEqual([206, '23']);
  expect(runner.calls.at(-1)?.headers.range).toBeUndefined();
  expect(statusOf(await get('/'))).toContain('; hit');
});

test('If-Range wants a strong match', async () => {
  const { get } = await setUpCache((request, response) => {
    response
      .writeHead(200, { 'Cache-Control': 'max-age=60', ETag: request.url === '/weak' ? 'W/"v"' : '"v"' })
      .end(TEN);
  });
  const statusWith = async (path: string, condition: string): Promise<number> => {
    await get(path);
    return (await get(path, { headers: { range: 'bytes=0-1', 'if-range': condition } })).status;
  };
  expect(await statusWith('/strong', '"v"')).toBe(206);
  expect(await statusWith('/strong', '"other"')).toBe(200);
  expect(await statusWith('/weak', 'W/"v"')).toBe(200);
});

test('a range of nothing stored goes to the function as it is, and what it brings is no whole response', async () => {
  const { get, runner } = await setUpCache((_request, response) => {
    response.writeHead(206, { 'Cache-Control': 'max-age=60', 'Content-Range': 'bytes 0-1/10' }).end('01');
  });
  const headers = { range: 'bytes=0-1' };
  expect((await get('/', { headers })).status).toBe(206);
  expect((await get('/')).status).toBe(206);
  expect(runner.calls.map((call) => call.headers.range)).toEqual(['bytes=0-1', undefined]);
});

test('conditions of the client are answered from what is stored', async () => {
  const modified = 'Sun, 06 Nov 1994 08:49:37 GMT';
  const { get, runner } = await setUpCache((_request, response) => {
    response.writeHead(200, {
      'Cache-Control': 'max-age=60',
      ETag: '"v1"',
      'Last-Modified': modified,
      'Content-Type': 'text/plain',
      Vary: 'Accept',
    });
    response.end('body');
  });
  await get('/');
  const statusWith = async (headers: Record<string, string>): Promise<number> =>
    (await get('/', { headers })).status;
  expect(await statusWith({ 'if-none-match': '"v1"' })).toBe(304);
  expect(await statusWith({ 'if-none-match': 'W/"v1"' })).toBe(304);
  expect(await statusWith({ 'if-none-match': '"v0", "v1"' })).toBe(304);
  expect(await statusWith({ 'if-none-match': '*' })).toBe(304);
  expect(await statusWith({ 'if-none-match': '"v0"', 'if-modified-since': modified })).toBe(200);
  expect(await statusWith({ 'if-modified-since': modified })).toBe(304);
  expect(await statusWith({ 'if-modified-since': 'Sun, 06 Nov 1994 08:49:36 GMT' })).toBe(200);
  expect(await statusWith({ 'if-modified-since': 'yesterday' })).toBe(200);
  const { headers } = await get('/', { headers: { 'if-none-match': '"v1"' } });
  expect(headers).toMatchObject({ etag: '"v1"', vary: 'Accept', 'cache-control': 'max-age=60' });
  expect(headers['content-type']).toBeUndefined();
  expect(runner.calls).toHaveLength(1);
});

test('If-Match and If-Unmodified-Since are for the function alone', async () => {
  const { get, runner } = await setUpCache((request, response) => {
    const fails = request.headers['if-match'] !== undefined;
    response.writeHead(fails ? 412 : 200, { 'Cache-Control': 'max-age=60' }).end('body');
  });
  await get('/');
  expect((await get('/', { headers: { 'if-match': '"x"' } })).status).toBe(412);
  expect(
    (await get('/', { headers: { 'if-unmodified-since': 'Sun, 06 Nov 1994 08:49:37 GMT' } })).status,
  ).toBe(200);
  expect(runner.calls).toHaveLength(3);
});

test('HEAD is answered from GET, updates it, and shows that it is out of date', async () => {
  let etag = '"v1"';
  const { get, clock, runner } = await setUpCache((request, response) => {
    response.writeHead(200, { 'Cache-Control': 'max-age=10', ETag: etag, 'X-Seen': request.method });
    response.end('body');
  });
  await storeForAll(get);
  const hit = await get('/', { method: 'HEAD' });
  expect([hit.status, hit.headers['content-length'], bodyOf(hit)]).toEqual([200, '4', '']);
  clock.advance(11_000);
  await get('/', { method: 'HEAD' });
  // The HEAD made it fresh again, with its headers.
  expect((await get('/')).headers['x-seen']).toBe('HEAD');
  clock.advance(11_000);
  etag = '"v2"';
  await get('/', { method: 'HEAD' });
  expect((await get('/')).headers['x-seen']).toBe('GET');
  expect(runner.calls.map(({ method }) => method)).toEqual(['GET', 'GET', 'HEAD', 'HEAD', 'GET']);
});

test.each(['private', 'no-store'])('a HEAD that says %s ends what GET stored', async (now) => {
  let directives = 'max-age=10, stale-if-error=600';
  const { get, clock } = await setUpCache((_request, response) => {
    const isDown = directives === 'down';
    response
      .writeHead(isDown ? 503 : 200, isDown ? {} : { 'Cache-Control': directives, ETag: '"v"' })
      .end('body');
  });
  await storeForAll(get);
  clock.advance(11_000);
  directives = now;
  await get('/', { method: 'HEAD' });
  directives = 'down';
  expect((await get('/')).status).toBe(503);
});

test('tags and our own targeted field do not reach the client, from the function or from the store', async () => {
  const { get } = await setUpCache((_request, response) => {
    response.writeHead(200, {
      'Origan-CDN-Cache-Control': 'max-age=60',
      'CDN-Cache-Control': 'max-age=5',
      'Cache-Tag': 'a,b',
      'Surrogate-Key': 'c d',
      'Cache-Groups': '"g"',
    });
    response.end('body');
  });
  for (const reply of [await get('/'), await get('/')]) {
    expect(reply.headers['origan-cdn-cache-control']).toBeUndefined();
    expect(reply.headers['cache-tag']).toBeUndefined();
    expect(reply.headers['surrogate-key']).toBeUndefined();
    // These are for caches further down, too.
    expect(reply.headers['cdn-cache-control']).toBe('max-age=5');
    expect(reply.headers['cache-groups']).toBe('"g"');
  }
  // Past the cache neither.
  const withBody = { headers: { 'content-length': '1' }, body: Buffer.from('1') };
  for (const options of [{ headers: { 'if-match': '*' } }, withBody, { method: 'POST' }]) {
    const names = Object.keys((await get('/', options)).headers);
    expect(names).toContain('cache-groups');
    expect(names.filter((name) => /tag|surrogate|origan-cdn/.test(name))).toEqual([]);
  }
});

test('safe: no cookie is stored, unless a targeted field shows that sharing was meant, and then without it', async () => {
  const { get, runner } = await setUpCache((request, response) => {
    const field = request.url === '/targeted' ? 'CDN-Cache-Control' : 'Cache-Control';
    response.writeHead(200, { [field]: 'max-age=60', 'Set-Cookie': ['a=1', 'b=2'] }).end('body');
  });
  await get('/plain');
  await get('/plain');
  expect(runner.callsOf('/plain')).toHaveLength(2);
  const first = await get('/targeted');
  const second = await get('/targeted');
  expect(first.headers['set-cookie']).toEqual(['a=1', 'b=2']);
  expect(second.headers['set-cookie']).toBeUndefined();
  expect(runner.callsOf('/targeted')).toHaveLength(1);
});

test('rfc: cookies are stored with their response, and several stay several', async () => {
  const play = (_request: unknown, response: ServerResponse): void => {
    response.writeHead(200, { 'Cache-Control': 'max-age=60', 'Set-Cookie': ['a=1', 'b=2'] }).end('body');
  };
  const { get, runner } = await setUpCache(play, { manifest: { profile: 'rfc' } });
  await get('/');
  expect((await get('/')).headers['set-cookie']).toEqual(['a=1', 'b=2']);
  expect(runner.calls).toHaveLength(1);
});

test('safe: nothing is stored without an explicit lifetime', async () => {
  const { get, runner } = await setUpCache((_request, response) => {
    response.writeHead(200, { 'Last-Modified': 'Sun, 06 Nov 1994 08:49:37 GMT', ETag: '"v"' }).end('body');
  });
  await get('/');
  expect(statusOf(await get('/'))).toBe('origan-edge; fwd=uri-miss; fwd-status=200');
  expect(runner.calls).toHaveLength(2);
});

test('only-if-cached without anything stored is 504', async () => {
  const { get, runner } = await setUpCache((_request, response) => {
    response.writeHead(200, { 'Cache-Control': 'max-age=60' }).end('body');
  });
  const headers = { 'cache-control': 'only-if-cached' };
  expect((await get('/', { headers })).status).toBe(504);
  // Nor does what only the function can answer reach it.
  expect((await get('/', { headers: { ...headers, 'if-match': '"v"' } })).status).toBe(504);
  expect(runner.calls).toHaveLength(0);
  await get('/');
  expect((await get('/', { headers })).status).toBe(200);
});

test('a deployment can switch off that requests decide', async () => {
  const play = (_request: unknown, response: ServerResponse): void => {
    response.writeHead(200, { 'Cache-Control': 'max-age=60' }).end('body');
  };
  const { get, runner } = await setUpCache(play, { manifest: { honorRequestDirectives: false } });
  await get('/');
  await get('/', { headers: { 'cache-control': 'no-store' } });
  await get('/', { headers: { 'cache-control': 'no-cache', pragma: 'no-cache' } });
  expect(runner.calls).toHaveLength(1);
});

test('parameters that the manifest ignores are no part of the key and do not reach the function', async () => {
  const play = (request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(200, { 'Cache-Control': 'max-age=60' }).end(request.url);
  };
  const { get, runner } = await setUpCache(play, { manifest: { ignoreQuery: ['utm_*'] } });
  expect(bodyOf(await get('/?utm_source=evil&a=1'))).toBe('/?a=1');
  expect(bodyOf(await get('/?a=1&utm_campaign=x'))).toBe('/?a=1');
  expect(runner.calls).toHaveLength(1);
});

test('an unsafe method that succeeds makes its address and its Location invalid; one that fails does not', async () => {
  const { get, runner } = await setUpCache((request, response) => {
    if (request.method === 'GET') response.writeHead(200, { 'Cache-Control': 'max-age=60' }).end('body');
    else {
      response.writeHead(request.url === '/fails' ? 500 : 201, {
        Location: '/other',
        'Content-Location': 'http://elsewhere.test/third',
      });
      response.end();
    }
  });
  for (const path of ['/a', '/other', '/third', '/fails']) await get(path);
  await get('/a', { method: 'POST' });
  await get('/fails', { method: 'DELETE' });
  runner.calls.length = 0;
  for (const path of ['/a', '/other', '/third', '/fails']) await get(path);
  expect(runner.calls.map(({ url }) => url)).toEqual(['/a', '/other']);
});

test('a GET with a body goes past the cache', async () => {
  const { get, runner } = await setUpCache((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => response.writeHead(200, { 'Cache-Control': 'max-age=60' }).end(`got ${body}`));
  });
  const headers = { 'content-length': '4' };
  expect(bodyOf(await get('/', { headers, body: Buffer.from('evil') }))).toBe('got evil');
  expect(bodyOf(await get('/'))).toBe('got ');
  expect(runner.calls).toHaveLength(2);
});
