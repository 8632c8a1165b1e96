import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { waitUntil } from '../../support/wait-until.ts';
import { bodyOf, cleanUpAfterEach, setUpCache, statusOf } from './rig.ts';
import { randomFrom } from './model/random.ts';

cleanUpAfterEach();

const MARK = 'poison-8c1f';
const LIFETIME = { 'Cache-Control': 's-maxage=60' };

/** The worst function there is: it shows whatever reached it, and says that everybody may have it. */
function reflect(request: IncomingMessage, response: ServerResponse): void {
  const headers = Object.entries(request.headers).filter(([name]) => !name.startsWith('x-origan-'));
  response.writeHead(200, LIFETIME).end(JSON.stringify([request.url, headers]));
}

/** Lines of a field as they reached the function: some of them Node itself would drop. */
function linesOf({ rawHeaders }: IncomingMessage, name: string): string[] {
  return rawHeaders.filter(
    (_value, index) => rawHeaders[index - 1]?.toLowerCase() === name && index % 2 === 1,
  );
}

/** Names by which frameworks are told to answer something else. */
const OVERRIDES = [
  'x-forwarded-host',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-forwarded-server',
  'x-forwarded-scheme',
  'x-forwarded-prefix',
  'x-forwarded-path',
  'x-forwarded-uri',
  'forwarded',
  'x-real-ip',
  'x-original-url',
  'x-original-host',
  'x-rewrite-url',
  'x-host',
  'x-http-method-override',
  'x-method-override',
  'x-middleware-subrequest',
  'x-invoke-path',
  'x-origan-deployment-id',
  'x_origan_project_id',
  'proxy-authorization',
  'proxy-made-up',
  'proxy-status',
  'http2-settings',
  'te',
  'expect-nothing',
  'content-type',
  'x-requested-with',
  'x-api-version',
  'x-amz-website-redirect-location',
];

/** Any name that HTTP allows, at random. */
function randomName(seed: number): string {
  const random = randomFrom(seed);
  const letters = "abcdefghijklmnopqrstuvwxyz0123456789-_.!~*'|`^%$#&+";
  const length = 3 + random.int(20);
  return `${random.pick(['x-', 'z', ''])}q${Array.from({ length }, () => letters[random.int(letters.length)]).join('')}`;
}

describe('safe: no header that is not part of the key changes what is stored', { retry: 0 }, () => {
  const names = [...OVERRIDES, ...Array.from({ length: 150 }, (_each, seed) => randomName(seed))];

  test(`${names.length} names, in front of a function that reflects every header`, async () => {
    const { get, runner } = await setUpCache(reflect);
    for (const [index, name] of names.entries()) {
      const path = `/${index}`;
      await get(path, { headers: { [name]: MARK } });
      const clean = await get(path);
      expect(bodyOf(clean), name).not.toContain(MARK);
      expect(statusOf(await get(path)), name).toContain('; hit');
      expect(runner.callsOf(path).length, name).toBeLessThanOrEqual(2);
    }
  });

  test('what is stored is still served to requests that bring such headers', async () => {
    const { get, runner } = await setUpCache(reflect);
    for (let client = 0; client < 2; client += 1) await get('/', { headers: { 'x-client': String(client) } });
    expect(statusOf(await get('/', { headers: { 'x-evil': MARK } }))).toContain('; hit');
    expect(runner.calls).toHaveLength(2);
  });

  test('nor do they refresh, validate or replace what is stale', async () => {
    const { get, clock, runner } = await setUpCache((request, response) => {
      const evil = String(request.headers['x-evil']);
      response
        .writeHead(200, { 'Cache-Control': 'max-age=10, stale-while-revalidate=60', ETag: '"v"' })
        .end(evil);
    });
    const evil = { headers: { 'x-evil': MARK } };
    await get('/');
    clock.advance(20_000);
    // Nothing is stored for this client, and it gets what everybody gets.
    expect(bodyOf(await get('/', evil))).toBe('undefined');
    clock.advance(20_000);
    expect(statusOf(await get('/', evil))).toContain('detail=swr');
    await waitUntil(() => runner.calls.length === 3 && runner.underWay() === 0);
    clock.advance(100_000);
    expect([bodyOf(await get('/', evil)), bodyOf(await get('/'))]).toEqual(['undefined', 'undefined']);
    expect(runner.calls.map(({ headers }) => headers['x-evil'])).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('nor do they keep others from sharing a call', async () => {
    const waiting: ServerResponse[] = [];
    const { get, edges } = await setUpCache((request, response) => {
      if (request.headers['x-evil'] === undefined) waiting.push(response);
      else response.writeHead(200, LIFETIME).end(MARK);
    });
    await get('/', { headers: { 'x-evil': MARK } });
    const replies = [get('/'), get('/'), get('/')];
    await waitUntil(() => waiting.length > 0 && edges[0]?.underWay() === 3);
    expect(waiting).toHaveLength(1);
    waiting[0]?.writeHead(200, LIFETIME).end('clean');
    for (const reply of replies) expect(bodyOf(await reply)).toBe('clean');
  });

  test('nor do they shape parts of responses: the whole is asked for, and parts are cut from it', async () => {
    const { get, runner } = await setUpCache((request, response) => {
      const [, first = 0, last = 19] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
      const whole = (request.headers['x-evil'] === undefined ? 'clean' : MARK).padEnd(20, '.').slice(0, 20);
      const part = whole.slice(Number(first), Number(last === '' ? 19 : last) + 1);
      const range = { 'Content-Range': `bytes ${first}-${last === '' ? 19 : last}/20` };
      const isPart = request.headers.range !== undefined;
      response
        .writeHead(isPart ? 206 : 200, { ...LIFETIME, ETag: '"v"', ...(isPart ? range : {}) })
        .end(part);
    });
    const evil = { 'x-evil': MARK };
    const own = await get('/', { headers: { ...evil, range: 'bytes=0-9' } });
    expect([own.status, bodyOf(own), statusOf(own)]).toEqual([
      206,
      MARK.slice(0, 10),
      'origan-edge; fwd=uri-miss; fwd-status=206',
    ]);
    const part = await get('/', { headers: { ...evil, range: 'bytes=3-9' } });
    expect([part.status, bodyOf(part), statusOf(part)]).toEqual([
      206,
      'an.....',
      'origan-edge; fwd=uri-miss; fwd-status=200; stored',
    ]);
    expect([bodyOf(await get('/')), statusOf(await get('/'))]).toEqual([
      'clean'.padEnd(20, '.'),
      'origan-edge; hit; ttl=60',
    ]);
    expect(runner.calls.map(({ headers }) => headers.range)).toEqual(['bytes=0-9', undefined]);
  });

  test('a header that the response says it varies on is part of the key', async () => {
    const { get, runner } = await setUpCache((request, response) => {
      response.writeHead(200, { ...LIFETIME, Vary: 'X-Mode' }).end(String(request.headers['x-mode']));
    });
    for (const mode of ['a', 'b', 'a', 'b']) {
      expect(bodyOf(await get('/', { headers: { 'x-mode': mode } }))).toBe(mode);
    }
    expect(runner.calls).toHaveLength(2);
    // For the first one it was not known yet that it counts: its response was for that very request.
    expect(bodyOf(await get('/', { headers: { 'x-mode': 'a', 'x-other': '1' } }))).toBe('a');
    expect(bodyOf(await get('/', { headers: { 'x-mode': 'b', 'x-other': '1' } }))).toBe('b');
    expect(runner.calls).toHaveLength(3);
  });
});

describe('whatever the profile', () => {
  test.each(['safe', 'rfc'] as const)(
    '%s: overriding headers reach no function through GET or HEAD',
    async (profile) => {
      const { get, runner } = await setUpCache(reflect, { manifest: { profile } });
      const headers = {
        'x-original-url': '/admin',
        'x-http-method-override': 'DELETE',
        'x-forwarded-prefix': '/evil',
      };
      await get('/', { headers });
      await get('/', { method: 'HEAD', headers: { ...headers, 'cache-control': 'no-cache' } });
      await get('/', { method: 'POST', headers });
      const seen = runner.calls.map((call) => call.headers['x-original-url']);
      expect(seen).toEqual([undefined, undefined, '/admin']);
    },
  );

  test('an allowed origin that the response names is part of the key, whether Vary says so or not', async () => {
    const { get } = await setUpCache((request, response) => {
      response
        .writeHead(200, { ...LIFETIME, 'Access-Control-Allow-Origin': request.headers.origin ?? '*' })
        .end('x');
    });
    const allowed = async (origin: string): Promise<unknown> =>
      (await get('/', { headers: { origin } })).headers['access-control-allow-origin'];
    expect(await allowed('https://evil.test')).toBe('https://evil.test');
    expect(await allowed('https://good.test')).toBe('https://good.test');
  });

  test('an encoded response is for those who accept its encoding, whether Vary says so or not', async () => {
    const { get } = await setUpCache((request, response) => {
      const isBr = String(request.headers['accept-encoding']).includes('br');
      response
        .writeHead(200, isBr ? { ...LIFETIME, 'Content-Encoding': 'br' } : LIFETIME)
        .end(isBr ? 'BR' : 'plain');
    });
    expect(bodyOf(await get('/', { headers: { 'accept-encoding': 'br' } }))).toBe('BR');
    expect(bodyOf(await get('/'))).toBe('plain');
  });

  test('responses to credentials are for those who sent them, unless they say otherwise', async () => {
    const { get } = await setUpCache((request, response) => {
      const isPublic = request.url === '/public';
      response.writeHead(200, { 'Cache-Control': isPublic ? 'public, max-age=60' : 'max-age=60' });
      response.end(String(request.headers.authorization));
    });
    const headers = { authorization: 'Bearer a' };
    await get('/private', { headers });
    await get('/public', { headers });
    expect(bodyOf(await get('/private'))).toBe('undefined');
    expect(bodyOf(await get('/public'))).toBe('undefined');
    expect(statusOf(await get('/public', { headers: { authorization: 'Bearer b' } }))).toContain('; hit');
    // What was stored for nobody in particular is not for those with credentials either.
    expect(bodyOf(await get('/private', { headers }))).toBe('Bearer a');
  });

  test.each(['safe', 'rfc'] as const)(
    '%s: what did not reach the function selects nothing',
    async (profile) => {
      const { get } = await setUpCache(
        (request, response) => {
          response.writeHead(200, { ...LIFETIME, Vary: 'User-Agent, X-Mode' });
          response.end(JSON.stringify([linesOf(request, 'user-agent'), linesOf(request, 'x-mode')]));
        },
        { manifest: { profile } },
      );
      const asked = async (headers: OutgoingHttpHeaders): Promise<unknown> =>
        JSON.parse(bodyOf(await get('/', { headers }))) as unknown;
      // The second line of a field that has but one, and what is said to be for the first hop alone.
      await asked({ 'User-Agent': ['a', 'evil'], 'x-mode': '1' });
      await asked({ connection: 'close, X-Mode', 'user-agent': 'a', 'x-mode': '2' });
      expect(await asked({ 'user-agent': 'a', 'x-mode': '1' })).toEqual([['a'], ['1']]);
      expect(await asked({ 'user-agent': 'a', 'x-mode': '2' })).toEqual([['a'], ['2']]);
    },
  );

  test.each(['safe', 'rfc'] as const)('%s: any name may stand in Vary', async (profile) => {
    for (const name of ['constructor', '__proto__', 'toString', 'a b']) {
      const { get } = await setUpCache(
        (_request, response) => response.writeHead(200, { ...LIFETIME, Vary: name }).end('x'),
        { manifest: { profile } },
      );
      const { status } = await get('/');
      expect([name, status, statusOf(await get('/'))]).toEqual([name, 200, 'origan-edge; hit; ttl=60']);
      expect((await get('/', { headers: { 'x-other': '1' } })).status).toBe(200);
    }
  });

  test.each(['X-Forwarded-For', 'Forwarded'])(
    'rfc: what varies on %s is for its client alone',
    async (name) => {
      const { get } = await setUpCache(
        (request, response) => {
          response
            .writeHead(200, { ...LIFETIME, Vary: name })
            .end(linesOf(request, 'x-forwarded-for').join());
        },
        { manifest: { profile: 'rfc' }, trustedProxies: ['127.0.0.1'] },
      );
      // The edge tells the function an address, of which the request itself need not say anything.
      const forwarded = { 'X-Forwarded-For': '192.0.2.1', Forwarded: 'for=192.0.2.1' };
      expect(bodyOf(await get('/', { headers: forwarded }))).toBe('192.0.2.1');
      const own = await get('/');
      expect([bodyOf(own), statusOf(own)]).toEqual([
        '127.0.0.1',
        'origan-edge; fwd=uri-miss; fwd-status=200',
      ]);
    },
  );

  test('spellings of one path that a function may tell apart are not one key', async () => {
    const { get, runner } = await setUpCache((request, response) => {
      response.writeHead(200, LIFETIME).end(request.url);
    });
    for (const path of ['/a', '/%61', '/a/', '/a?', '/a?x', '/a?x='])
      expect(bodyOf(await get(path))).toBe(path);
    expect(runner.calls).toHaveLength(6);
  });
});
