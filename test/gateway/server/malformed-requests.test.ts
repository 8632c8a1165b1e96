import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exchangeRaw, openRaw } from '../../support/raw-http.ts';
import { HOST, startEdge, type TestEdge } from '../../support/start-edge.ts';

let edge: TestEdge;
let runner: Server;
const seen: string[] = [];

beforeAll(async () => {
  runner = createServer((request, response) => {
    request.resume().once('end', () => {
      seen.push(`${request.method} ${request.url}`);
      response.end('from the function');
    });
  });
  await new Promise<void>((resolve) => {
    runner.listen(0, '127.0.0.1', resolve);
  });
  const { port } = runner.address() as AddressInfo;
  edge = await startEdge({ runnerUrl: `http://127.0.0.1:${port}`, files: { '/page.html': '<p>page' } });
});

afterAll(async () => {
  await edge.close();
  runner.close();
});

const host = `Host: ${HOST}`;
const chunked = 'Transfer-Encoding: chunked';
const post = (headers: string, body = ''): string =>
  `POST /f HTTP/1.1\r\n${host}\r\n${headers}\r\n\r\n${body}`;
const get = (target: string, headers = host): string => `GET ${target} HTTP/1.1\r\n${headers}\r\n\r\n`;

type Case = { name: string; bytes: string; status: number; code: string };
const refused = (name: string, status: number, code: string, bytes: string): Case => ({
  name,
  bytes,
  status,
  code,
});

// Each of these could be read in two ways, or is more than is allowed: the connection must end, and nothing of it may
// reach a function.
const REFUSED: Case[] = [
  refused('both lengths', 400, 'BAD_REQUEST', post(`Content-Length: 3\r\n${chunked}`, '0\r\n\r\n')),
  refused(
    'both lengths, other order',
    400,
    'BAD_REQUEST',
    post(`${chunked}\r\nContent-Length: 3`, '0\r\n\r\n'),
  ),
  refused('two equal lengths', 400, 'BAD_REQUEST', post('Content-Length: 3\r\nContent-Length: 3', 'abc')),
  refused('two different lengths', 400, 'BAD_REQUEST', post('Content-Length: 3\r\nContent-Length: 4', 'abc')),
  refused('a list of lengths', 400, 'BAD_REQUEST', post('Content-Length: 3, 3', 'abc')),
  refused('a signed length', 400, 'BAD_REQUEST', post('Content-Length: +3', 'abc')),
  refused('a negative length', 400, 'BAD_REQUEST', post('Content-Length: -1', 'abc')),
  refused('a hexadecimal length', 400, 'BAD_REQUEST', post('Content-Length: 0x3', 'abc')),
  refused('an empty length', 400, 'BAD_REQUEST', post('Content-Length:', 'abc')),
  refused('a length beyond 64 bits', 400, 'BAD_REQUEST', post('Content-Length: 99999999999999999999', 'abc')),
  refused('obs-fold', 400, 'BAD_REQUEST', get('/f', `${host}\r\nX-A: a\r\n b`)),
  refused(
    'obs-fold of Transfer-Encoding',
    400,
    'BAD_REQUEST',
    post('Transfer-Encoding:\r\n chunked', '0\r\n\r\n'),
  ),
  refused('a first header with space before it', 400, 'BAD_REQUEST', `GET / HTTP/1.1\r\n ${host}\r\n\r\n`),
  refused('bare LF after a header', 400, 'BAD_REQUEST', `GET / HTTP/1.1\r\n${host}\nX: b\r\n\r\n`),
  refused('bare LF everywhere', 400, 'BAD_REQUEST', `GET / HTTP/1.1\n${host}\n\n`),
  refused('bare LF at the end of the head', 400, 'BAD_REQUEST', `GET / HTTP/1.1\r\n${host}\r\n\n`),
  refused('bare CR in a value', 400, 'BAD_REQUEST', get('/f', `${host}\r\nX: a\rb`)),
  refused('bare CR between headers', 400, 'BAD_REQUEST', get('/f', `${host}\rX: b`)),
  refused('NUL in a value', 400, 'BAD_REQUEST', get('/f', `${host}\r\nX: a\0b`)),
  refused('space before the colon', 400, 'BAD_REQUEST', post('Transfer-Encoding : chunked', '0\r\n\r\n')),
  refused('an empty header name', 400, 'BAD_REQUEST', get('/f', `${host}\r\n: x`)),
  refused(
    'no such coding',
    501,
    'TRANSFER_CODING_NOT_IMPLEMENTED',
    post('Transfer-Encoding: xchunked', '0\r\n\r\n'),
  ),
  refused(
    'chunked in quotes',
    501,
    'TRANSFER_CODING_NOT_IMPLEMENTED',
    post('Transfer-Encoding: "chunked"', '0\r\n\r\n'),
  ),
  refused(
    'chunked after a vertical tab',
    400,
    'BAD_REQUEST',
    post('Transfer-Encoding:\x0bchunked', '0\r\n\r\n'),
  ),
  refused('chunked not last', 400, 'BAD_REQUEST', post('Transfer-Encoding: chunked, identity', '0\r\n\r\n')),
  refused('identity', 501, 'TRANSFER_CODING_NOT_IMPLEMENTED', post('Transfer-Encoding: identity', 'abc')),
  refused('chunked twice', 400, 'BAD_REQUEST', post(`${chunked}\r\n${chunked}`, '0\r\n\r\n')),
  refused('an empty coding', 400, 'BAD_REQUEST', post('Transfer-Encoding:', '0\r\n\r\n')),
  refused(
    'a coding that nobody here undoes',
    501,
    'TRANSFER_CODING_NOT_IMPLEMENTED',
    post('Transfer-Encoding: gzip, chunked', '0\r\n\r\n'),
  ),
  refused(
    'codings in two lines',
    501,
    'TRANSFER_CODING_NOT_IMPLEMENTED',
    post(`Transfer-Encoding: identity\r\n${chunked}`, '0\r\n\r\n'),
  ),
  refused(
    'a coding in HTTP/1.0',
    400,
    'BAD_REQUEST',
    `POST /f HTTP/1.0\r\n${host}\r\n${chunked}\r\n\r\n0\r\n\r\n`,
  ),
  refused('two hosts', 400, 'BAD_HOST', get('/f', `${host}\r\nHost: other.test`)),
  refused('the same host twice', 400, 'BAD_HOST', get('/f', `${host}\r\n${host}`)),
  refused('no host', 400, 'BAD_HOST', 'GET /f HTTP/1.1\r\n\r\n'),
  refused('no host in HTTP/1.0', 400, 'BAD_HOST', 'GET /f HTTP/1.0\r\n\r\n'),
  refused('an empty host', 400, 'BAD_HOST', get('/f', 'Host:')),
  refused('a host with a path', 400, 'BAD_HOST', get('/f', `${host}/x`)),
  refused('a host with credentials', 400, 'BAD_HOST', get('/f', `Host: a@${HOST}`)),
  refused('a host with a space', 400, 'BAD_HOST', get('/f', `${host} x`)),
  refused('an absolute target of another host', 400, 'BAD_HOST', get('http://other.test/f')),
  refused('an absolute target with another port', 400, 'BAD_HOST', get(`http://${HOST}:81/f`)),
  refused('an absolute target with credentials', 400, 'BAD_REQUEST', get(`http://a@${HOST}/f`)),
  refused('an absolute target of another scheme', 400, 'BAD_REQUEST', get(`ftp://${HOST}/f`)),
  refused('a target without a slash', 400, 'BAD_REQUEST', get('f')),
  refused('an asterisk for GET', 400, 'BAD_REQUEST', get('*')),
  refused('a fragment', 400, 'BAD_REQUEST', get('/f#x')),
  refused('a byte beyond ASCII in the target', 400, 'BAD_REQUEST', get('/\xe9')),
  refused('a space in the target', 400, 'BAD_REQUEST', get('/a b')),
  refused('a bad escape', 400, 'BAD_PATH', get('/%zz')),
  refused('an encoded NUL', 400, 'BAD_PATH', get('/a%00b')),
  refused('a backslash', 400, 'BAD_PATH', get('/a\\b')),
  refused('HTTP/2.0 in a line of HTTP/1', 400, 'BAD_REQUEST', `GET / HTTP/2.0\r\n${host}\r\n\r\n`),
  refused('HTTP/0.9 in a line of HTTP/1', 400, 'BAD_REQUEST', `GET / HTTP/0.9\r\n${host}\r\n\r\n`),
  refused('HTTP/1.2', 400, 'BAD_REQUEST', `GET / HTTP/1.2\r\n${host}\r\n\r\n`),
  refused('the preface of HTTP/2', 400, 'BAD_REQUEST', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  refused('a TLS handshake', 400, 'BAD_REQUEST', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
  refused('a method in lower case', 400, 'BAD_REQUEST', `get / HTTP/1.1\r\n${host}\r\n\r\n`),
  refused('an unknown method', 501, 'METHOD_NOT_IMPLEMENTED', `FOO / HTTP/1.1\r\n${host}\r\n\r\n`),
  refused('TRACE', 501, 'METHOD_NOT_IMPLEMENTED', `TRACE / HTTP/1.1\r\n${host}\r\n\r\n`),
  refused('CONNECT', 501, 'METHOD_NOT_IMPLEMENTED', `CONNECT ${HOST}:443 HTTP/1.1\r\n${host}\r\n\r\n`),
  refused('a long target', 414, 'URI_TOO_LONG', get(`/${'a'.repeat(8192)}`)),
  refused('a target longer than any head', 414, 'URI_TOO_LONG', get(`/${'a'.repeat(20_000)}`)),
  refused('a long header', 431, 'HEADERS_TOO_LARGE', get('/f', `${host}\r\nX: ${'a'.repeat(20_000)}`)),
  refused('too many headers', 431, 'HEADERS_TOO_LARGE', get('/f', host + '\r\nX: y'.repeat(100))),
  refused(
    'an unknown expectation',
    417,
    'EXPECTATION_FAILED',
    post('Expect: the-impossible\r\nContent-Length: 3', 'abc'),
  ),
];

test.each(REFUSED)('refused: $name', async ({ bytes, status, code }) => {
  const before = seen.length;
  const reply = await exchangeRaw(edge.port, bytes);
  expect(reply.status).toBe(status);
  expect(reply.text).toContain(code);
  expect(reply.header('cache-control')).toBe('no-store');
  expect(reply.isClosed).toBe(code !== 'BAD_PATH');
  expect(seen.length).toBe(before);
  const record = await edge.recordOf(reply.header('x-origan-request-id'));
  expect(record).toMatchObject({ status, error: code, route: 'refused', isAborted: false });
  expect(reply.text).toContain(record.id);
});

// The head is fine, so the call has begun when the body turns out to be broken: it is aborted, and the client told.
const BROKEN_BODIES: [name: string, body: string, status?: number][] = [
  ['a chunk size with 0x', '0x3\r\nabc\r\n0\r\n\r\n'],
  ['a chunk size with a sign', '-3\r\nabc\r\n0\r\n\r\n'],
  ['a chunk size with a space', '3 \r\nabc\r\n0\r\n\r\n'],
  ['a chunk size beyond 64 bits', 'ffffffffffffffffff\r\nabc\r\n0\r\n\r\n'],
  ['no chunk size', '\r\nabc\r\n0\r\n\r\n'],
  ['bare LF after the size', '3\nabc\n0\n\n'],
  ['bare LF in an extension', '3;\nabc\r\n0\r\n\r\n'],
  ['bare CR in an extension', '3;a\rb\r\nabc\r\n0\r\n\r\n'],
  ['data longer than its size', '2\r\nabc\r\n0\r\n\r\n'],
  ['extensions without end', `3;${'a'.repeat(20_000)}\r\nabc\r\n0\r\n\r\n`, 413],
  ['trailers without end', `3\r\nabc\r\n0\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
];

test.each(BROKEN_BODIES)('a broken body: %s', async (_name, body, status = 400) => {
  const before = seen.length;
  const reply = await exchangeRaw(edge.port, post(chunked, body));
  expect(reply.status).toBe(status);
  expect(reply.isClosed).toBe(true);
  expect(seen.length).toBe(before);
});

const SMUGGLERS: [name: string, bytes: string, status: number][] = [
  ['both lengths', post(`Content-Length: 3\r\n${chunked}`, '0\r\n\r\n'), 400],
  ['an unknown coding', post('Transfer-Encoding: gzip, chunked', '0\r\n\r\n'), 501],
  ['two hosts', get('/f', `${host}\r\nHost: other.test`), 400],
  ['an expectation', post('Expect: x\r\nContent-Length: 3', 'abc'), 417],
  ['a version', `GET / HTTP/2.0\r\n${host}\r\n\r\n`, 400],
  [
    'a body for a file',
    `POST /page.html HTTP/1.1\r\n${host}\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n`,
    405,
  ],
];

test.each(SMUGGLERS)(
  'what follows on a connection after %s is never looked at',
  async (_name, bytes, status) => {
    const client = await openRaw(edge.port);
    const before = edge.records.length;
    client.send(bytes + get('/smuggled'));
    expect((await client.response()).status).toBe(status);
    expect((await client.ended()).toString()).toBe('');
    expect(edge.records.length - before).toBe(1);
    expect(seen.some((line) => line.includes('smuggled'))).toBe(false);
  },
);

test('a malformed request after a good one is refused in its turn', async () => {
  const client = await openRaw(edge.port);
  client.send(get('/first') + 'GARBAGE\r\n\r\n');
  expect((await client.response()).text).toBe('from the function');
  expect((await client.response()).status).toBe(400);
  await client.ended();
});

test('requests sent ahead are answered one after the other, each whole', async () => {
  const client = await openRaw(edge.port);
  client.send(get('/1') + post('Content-Length: 3', 'abc') + get('/page.html') + get('/4'));
  const texts = [];
  for (let count = 0; count < 4; count += 1) texts.push((await client.response()).text);
  expect(texts).toEqual(['from the function', 'from the function', '<p>page', 'from the function']);
  expect(seen.slice(-3)).toEqual(['GET /1', 'POST /f', 'GET /4']);
  client.close();
});

// Odd, but with one meaning only.
const ACCEPTED: [name: string, bytes: string, status: number][] = [
  ['a host in capitals', get('/f', `Host: ${HOST.toUpperCase()}`), 200],
  ['a host with a trailing dot', get('/f', `Host: ${HOST}.`), 200],
  ['a host with the default port', get('/f', `Host: ${HOST}:80`), 200],
  ['an absolute target', get(`http://${HOST}/f`), 200],
  ['an absolute target without a path', get(`http://${HOST}`), 200],
  ['an absolute target in another case', get(`HTTP://${HOST.toUpperCase()}/f`), 200],
  ['OPTIONS with an asterisk', `OPTIONS * HTTP/1.1\r\n${host}\r\n\r\n`, 204],
  ['HTTP/1.0 with a host', `GET /f HTTP/1.0\r\n${host}\r\n\r\n`, 200],
  ['an empty line before the request', `\r\n${get('/f')}`, 200],
  ['chunk extensions', post(chunked, '3;a=b\r\nabc\r\n0\r\n\r\n'), 200],
  ['trailers', post(chunked, '3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n'), 200],
  ['chunked in capitals', post('TRANSFER-ENCODING: CHUNKED', '3\r\nabc\r\n0\r\n\r\n'), 200],
  ['GET with a body', `GET /f HTTP/1.1\r\n${host}\r\nContent-Length: 3\r\n\r\nabc`, 200],
  ['100 headers', get('/f', host + '\r\nX: y'.repeat(99)), 200],
  ['two slashes', get('//'), 308],
  ['an unknown host', get('/f', 'Host: unknown.test'), 404],
  ['an IPv6 host', get('/f', 'Host: [::1]:8080'), 404],
  ['an IPv4 host that is none', get('/f', 'Host: 1.2.3.456'), 404],
  ['a host with an underscore', get('/f', 'Host: a_b.test'), 404],
  ['a host that is no URL', get('/../f', 'Host: xn--zzzzzz.test'), 404],
];

test.each(ACCEPTED)('accepted: %s', async (_name, bytes, status) => {
  const reply = await exchangeRaw(edge.port, bytes);
  expect(reply.status).toBe(status);
  // The flow decided it, not a part in front of it.
  expect((await edge.recordOf(reply.header('x-origan-request-id'))).status).toBe(status);
});
