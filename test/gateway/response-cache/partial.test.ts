import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { combine, contentRangeOf } from '../../../gateway/response-cache/partial.ts';
import { openRaw } from '../../support/raw-http.ts';
import { HOST } from '../../support/start-edge.ts';
import {
  bodyOf,
  cleanUpAfterEach,
  setUpCache,
  slowToStore,
  statusOf,
  type Rig,
  type RigOptions,
} from './rig.ts';
import type { ReceivedReply } from '../../support/send-request.ts';

cleanUpAfterEach();

/** `safe` asks for wholes alone on behalf of others: parts are stored in the `rfc` profile. */
function setUp(play: Parameters<typeof setUpCache>[0], options: RigOptions = {}): Promise<Rig> {
  return setUpCache(play, { manifest: { profile: 'rfc' }, ...options });
}

const WHOLE = '0123456789abcdefghij';

type Content = {
  body: string;
  etag: string | undefined;
  headers: Record<string, string>;
  /** Answers what was asked for otherwise than a proper server would. */
  misbehave?: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
};

/** A function that serves one text, in parts where it is asked for some. */
function serve(content: Content): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    if (content.misbehave?.(request, response) === true) return;
    const { body, etag } = content;
    const headers = { ...content.headers, ...(etag === undefined ? {} : { ETag: etag }) };
    const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const condition = request.headers['if-range'];
    if (request.headers['if-none-match'] === etag && etag !== undefined) {
      response.writeHead(304, headers).end();
      return;
    }
    if (first === undefined || (condition !== undefined && condition !== etag)) {
      response.writeHead(200, headers).end(body);
      return;
    }
    const start = first === '' ? body.length - Number(last) : Number(first);
    const end = first === '' || last === '' ? body.length - 1 : Number(last);
    response.writeHead(206, { ...headers, 'Content-Range': `bytes ${start}-${end}/${body.length}` });
    response.end(body.slice(start, end + 1));
  };
}

function makeContent(): Content {
  return { body: WHOLE, etag: '"v1"', headers: { 'Cache-Control': 'max-age=60' } };
}

async function range(
  { get }: Rig,
  spec: string,
  headers: Record<string, string> = {},
): Promise<ReceivedReply> {
  return get('/', { headers: { range: `bytes=${spec}`, ...headers } });
}

/** Status, body and Cache-Status in one line. */
function shown(reply: ReceivedReply): string {
  return `${reply.status} ${bodyOf(reply)} ${statusOf(reply)
    .replace(/^origan-edge; /, '')
    .replace(/; ttl=.*/, '')}`;
}

test('a part that was stored answers ranges within it, and only those', async () => {
  const rig = await setUp(serve(makeContent()));
  expect(shown(await range(rig, '4-13'))).toBe('206 456789abcd fwd=uri-miss; fwd-status=206; stored');
  const within = await range(rig, '5-7');
  expect(shown(within)).toBe('206 567 hit');
  expect(within.headers).toMatchObject({ 'content-range': 'bytes 5-7/20', 'content-length': '3', age: '0' });
  expect(shown(await range(rig, '4-13'))).toBe('206 456789abcd hit');
  expect(shown(await range(rig, '5-7', { 'if-range': '"v1"' }))).toBe('206 567 hit');
  expect(rig.runner.calls).toHaveLength(1);
  expect(shown(await range(rig, '5-7', { 'if-range': '"v0"' }))).toContain(`200 ${WHOLE} fwd=partial`);
});

test('parts of one representation become one, also where they overlap, and in the end the whole', async () => {
  const rig = await setUp(serve(makeContent()));
  await range(rig, '4-7');
  await range(rig, '12-15');
  expect(shown(await range(rig, '5-13'))).toBe('206 56789abcd fwd=partial; fwd-status=206; stored');
  expect(shown(await range(rig, '4-15'))).toBe('206 456789abcdef hit');
  await range(rig, '-6');
  await range(rig, '0-3');
  expect(rig.runner.calls).toHaveLength(5);
  const whole = await rig.get('/');
  expect(shown(whole)).toBe(`200 ${WHOLE} hit`);
  expect(whole.headers['content-length']).toBe('20');
  expect(whole.headers['content-range']).toBeUndefined();
  expect(rig.runner.calls).toHaveLength(5);
});

test.each([
  ['0-9', 'bytes=10-'],
  ['10-19', 'bytes=0-9'],
])('what lacks beside %s is asked for, and the whole is stored', async (spec, asked) => {
  const content = makeContent();
  const rig = await setUp(serve(content));
  await range(rig, spec);
  rig.clock.advance(90_000);
  content.headers = { 'Cache-Control': 'max-age=60', 'X-New': '1' };
  const whole = await rig.get('/');
  expect(shown(whole)).toBe(`200 ${WHOLE} fwd=partial; fwd-status=206; stored`);
  expect(whole.headers).toMatchObject({ 'x-new': '1', 'content-length': '20', age: '0' });
  expect(rig.runner.calls[1]?.headers).toMatchObject({ range: asked, 'if-range': '"v1"' });
  expect(shown(await rig.get('/'))).toBe(`200 ${WHOLE} hit`);
  expect(rig.runner.calls).toHaveLength(2);
});

test('what has changed is not put together', async () => {
  const content = makeContent();
  const rig = await setUp(serve(content));
  await range(rig, '0-9');
  content.etag = '"v2"';
  content.body = WHOLE.toUpperCase();
  expect(shown(await rig.get('/'))).toBe(`200 ${content.body} fwd=partial; fwd-status=200; stored`);
  expect(shown(await range(rig, '0-9'))).toBe('206 0123456789 hit');
});

test('a part of another representation takes the place of the one before', async () => {
  const content = makeContent();
  const rig = await setUp(serve(content));
  await range(rig, '10-19');
  content.etag = '"v2"';
  content.body = WHOLE.toUpperCase();
  await range(rig, '0-3');
  await range(rig, '4-9');
  expect(shown(await range(rig, '0-9'))).toBe('206 0123456789 hit');
  expect(shown(await range(rig, '10-19'))).toBe('206 ABCDEFGHIJ fwd=partial; fwd-status=206; stored');
  expect(bodyOf(await rig.get('/'))).toBe(content.body);
});

test.each([
  ['weak', 'W/"v1"'],
  ['no', undefined],
])('with %s validator a part answers, but is never combined or completed', async (_which, etag) => {
  const content = { ...makeContent(), etag };
  const rig = await setUp(serve(content));
  await range(rig, '0-9');
  expect(shown(await range(rig, '2-3'))).toBe('206 23 hit');
  await range(rig, '10-19');
  expect(shown(await range(rig, '2-3'))).toContain('206 23 fwd=partial');
  expect(shown(await rig.get('/'))).toContain(`200 ${WHOLE} fwd=partial; fwd-status=200`);
  expect(rig.runner.calls.at(-1)?.headers.range).toBeUndefined();
});

test('a stale part is validated, and served while the function fails where that is allowed', async () => {
  const content = makeContent();
  content.headers = { 'Cache-Control': 'max-age=10, stale-if-error=600' };
  const rig = await setUp(serve(content));
  await range(rig, '0-9');
  rig.clock.advance(20_000);
  expect(shown(await range(rig, '2-3'))).toBe('206 23 fwd=stale; fwd-status=304; stored');
  rig.clock.advance(20_000);
  content.misbehave = (_request, response) => {
    response.writeHead(503).end();
    return true;
  };
  expect(shown(await range(rig, '2-3'))).toMatch(/^206 23 fwd=stale; fwd-status=503/);
  expect((await range(rig, '2-13')).status).toBe(503);
  expect((await rig.get('/')).status).toBe(503);
});

const MISBEHAVIOURS: [name: string, status: number, headers: Record<string, string>, body: string][] = [
  ['another range than was asked for', 206, { 'Content-Range': 'bytes 12-19/20', ETag: '"v1"' }, 'cdefghij'],
  [
    'a range of another representation',
    206,
    { 'Content-Range': 'bytes 10-19/20', ETag: '"v2"' },
    'ABCDEFGHIJ',
  ],
  ['another length', 206, { 'Content-Range': 'bytes 10-29/30', ETag: '"v1"' }, 'x'.repeat(20)],
  ['no Content-Range', 206, { ETag: '"v1"' }, 'abcdefghij'],
  ['fewer bytes than it says', 206, { 'Content-Range': 'bytes 10-19/20', ETag: '"v1"' }, 'abc'],
  ['416', 416, { 'Content-Range': 'bytes */20' }, ''],
  ['304', 304, { ETag: '"v1"' }, ''],
];

test.each(MISBEHAVIOURS)(
  'a function that answers what lacks with %s is asked for the whole',
  async (_name, status, headers, body) => {
    const content = makeContent();
    const rig = await setUp(serve(content));
    await range(rig, '0-9');
    content.misbehave = (request, response) => {
      if (request.headers.range === undefined) return false;
      response.writeHead(status, { 'Cache-Control': 'max-age=60', ...headers }).end(body);
      return true;
    };
    const whole = await rig.get('/');
    expect([whole.status, bodyOf(whole)]).toEqual([200, WHOLE]);
    content.misbehave = undefined;
    expect(bodyOf(await rig.get('/'))).toBe(WHOLE);
  },
);

const UNSTORABLE: [name: string, headers: Record<string, string>, body: string][] = [
  ['contradict themselves', { 'Content-Range': 'bytes 4-9/10' }, '01234'],
  ['do not say how much there is', { 'Content-Range': 'bytes 0-4/*' }, '01234'],
  [
    'are for one client',
    { 'Content-Range': 'bytes 0-4/10', 'Cache-Control': 'private, max-age=60' },
    '01234',
  ],
  ['have no lifetime', { 'Content-Range': 'bytes 0-4/10', 'Cache-Control': 'public' }, '01234'],
  ['have several ranges', { 'Content-Type': 'multipart/byteranges; boundary=x' }, '--x--'],
  ['count in another unit', { 'Content-Range': 'lines 0-4/10' }, '01234'],
];

test.each(UNSTORABLE)('parts are not stored that %s', async (_name, headers, body) => {
  const rig = await setUp((_request, response) => {
    response.writeHead(206, { 'Cache-Control': 'max-age=60', ETag: '"v"', ...headers }).end(body);
  });
  for (const count of [1, 2]) {
    expect(bodyOf(await range(rig, '0-4'))).toBe(body);
    expect(rig.runner.calls).toHaveLength(count);
  }
});

test('a part that breaks off is not stored', async () => {
  const content = makeContent();
  content.misbehave = (_request, response) => {
    response.writeHead(206, {
      'Cache-Control': 'max-age=60',
      'Content-Range': 'bytes 0-9/20',
      'Content-Length': '10',
    });
    response.write('01234');
    setImmediate(() => response.destroy());
    return true;
  };
  const rig = await setUp(serve(content));
  await expect(range(rig, '0-9')).rejects.toThrow();
  content.misbehave = undefined;
  expect(shown(await range(rig, '0-9'))).toContain('206 0123456789 fwd=uri-miss');
});

test('another gateway serves the parts that one has stored, completes them, and forgets them when they are purged', async () => {
  const content = makeContent();
  content.headers['Cache-Tag'] = 'red';
  const rig = await setUp(serve(content), { edges: 2 });
  const other = (spec?: string): Promise<ReceivedReply> =>
    rig.get('/', { edge: 1, ...(spec === undefined ? {} : { headers: { range: spec } }) });
  await range(rig, '0-9');
  expect(shown(await other('bytes=2-4'))).toBe('206 234 hit');
  expect(shown(await other())).toBe(`200 ${WHOLE} fwd=partial; fwd-status=206; stored`);
  await rig.caches[0]?.purgeTag('project-1', 'red', 'hard');
  await range(rig, '0-3');
  expect(shown(await other('bytes=4-5'))).toContain('206 45 fwd=partial');
  await rig.caches[0]?.purgeTag('project-1', 'red', 'hard');
  expect(shown(await other('bytes=4-5'))).toContain('206 45 fwd=uri-miss');
});

test('who gets the whole made of parts gets it when another gateway can serve it, too', async () => {
  const rig = await setUp(serve(makeContent()), { edges: 2 });
  await range(rig, '0-9');
  slowToStore(rig.caches[1]);
  expect(shown(await rig.get('/', { edge: 1 }))).toBe(`200 ${WHOLE} fwd=partial; fwd-status=206; stored`);
  expect(shown(await rig.get('/'))).toBe(`200 ${WHOLE} hit`);
});

test('a purge while the rest is fetched keeps the parts from being put together', async () => {
  const content = makeContent();
  content.headers['Cache-Tag'] = 'red';
  const rig = await setUp(serve(content));
  await range(rig, '0-9');
  content.misbehave = (request, response) => {
    content.misbehave = undefined;
    const purged = rig.caches[0]?.purgeTag('project-1', 'red', 'hard');
    void purged?.then(() => serve(content)(request, response));
    return true;
  };
  expect(bodyOf(await rig.get('/'))).toBe(WHOLE);
  expect(rig.runner.calls[1]?.headers.range).toBe('bytes=10-');
  expect(shown(await rig.get('/'))).not.toContain(' hit');
});

test('variants have parts of their own', async () => {
  const content = makeContent();
  content.headers['Vary'] = 'X-Mode';
  const rig = await setUp(serve(content));
  await range(rig, '0-9', { 'x-mode': 'a' });
  await range(rig, '10-19', { 'x-mode': 'b' });
  expect(shown(await range(rig, '0-1', { 'x-mode': 'a' }))).toBe('206 01 hit');
  expect(shown(await range(rig, '0-1', { 'x-mode': 'b' }))).toContain('206 01 fwd=partial');
});

test('HEAD and only-if-cached get nothing of an incomplete response', async () => {
  const rig = await setUp(serve(makeContent()));
  await range(rig, '0-9');
  expect(shown(await rig.get('/', { method: 'HEAD' }))).toContain('200  fwd=partial');
  const headers = { 'cache-control': 'only-if-cached' };
  expect((await rig.get('/', { headers })).status).toBe(504);
  expect((await rig.get('/', { headers: { ...headers, range: 'bytes=2-3' } })).status).toBe(206);
});

test('many who want the whole share the one call that completes it', async () => {
  const rig = await setUp(serve(makeContent()));
  await range(rig, '0-9');
  const replies = await Promise.all(Array.from({ length: 20 }, () => rig.get('/')));
  for (const reply of replies) expect(bodyOf(reply)).toBe(WHOLE);
  expect(rig.runner.calls.length).toBeLessThanOrEqual(2);
});

test('a part reaches its client as it comes', async () => {
  let finish = (): void => {};
  const rig = await setUp((_request, response) => {
    const headers = {
      'Cache-Control': 'max-age=60',
      'Content-Range': 'bytes 0-9/20',
      'Content-Length': '10',
    };
    response.writeHead(206, headers).write('01234');
    finish = () => response.end('56789');
  });
  const client = await openRaw(rig.edges[0]?.port ?? 0);
  client.send(`GET / HTTP/1.1\r\nHost: ${HOST}\r\nRange: bytes=0-9\r\n\r\n`);
  await client.received('01234');
  finish();
  expect((await client.response()).text).toBe('0123456789');
  client.close();
});

test('parts are bounded: in bytes as any response, and in number', async () => {
  const rig = await setUp(serve(makeContent()), { cache: { maxEntryBytes: 12 } });
  await range(rig, '0-9');
  await range(rig, '10-19');
  expect(shown(await range(rig, '10-19'))).toBe('206 abcdefghij hit');
  expect(shown(await range(rig, '0-1'))).toContain('fwd=partial');
  expect(shown(await rig.get('/'))).toBe(`200 ${WHOLE} fwd=partial; fwd-status=200; stored`);
  const piece = (start: number): Parameters<typeof combine>[0] => ({
    body: Buffer.from('x'),
    partial: { ranges: [{ start, end: start }], totalBytes: 100 },
  });
  let all = piece(0);
  for (let start = 2; start < 32; start += 2) all = combine(all, piece(start), 100) ?? all;
  expect(all.partial.ranges).toHaveLength(16);
  expect(combine(all, piece(40), 100)).toBeUndefined();
});

test.each([
  ['bytes 0-4/10', true],
  ['BYTES 0-4/10', true],
  ['bytes 4-9/10', true],
  ['bytes 5-4/10', false],
  ['bytes 0-10/10', false],
  ['bytes */10', false],
  ['bytes 0-4/*', false],
  ['bytes=0-4/10', false],
  ['bytes 0-4/10, bytes 5-9/10', false],
  ['bytes -0-4/10', false],
])('Content-Range: %s', (value, isGood) => {
  expect(contentRangeOf([['Content-Range', value]]) !== undefined).toBe(isGood);
});
