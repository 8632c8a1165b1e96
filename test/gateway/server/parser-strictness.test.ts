import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exchangeRaw } from '../../support/raw-http.ts';
import { HOST, startEdge, type TestEdge } from '../../support/start-edge.ts';

/**
 * How strict the parser is that stands in front of everything, row by row: what it lets pass beyond RFC 9112 must mean one
 * thing to everybody, and must not be passed on as it came. Its own switches for leniency are all off.
 */

let edge: TestEdge;
let runner: Server;
/** What came over the wire to the runner, whole requests as bytes. */
const passed: string[] = [];

beforeAll(async () => {
  runner = createServer((socket) => {
    let received = '';
    socket.on('error', () => undefined);
    socket.setEncoding('latin1').on('data', (text: string) => {
      received += text;
      if (!isWhole(received)) return;
      passed.push(received);
      received = '';
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  });
  await new Promise<void>((resolve) => {
    runner.listen(0, '127.0.0.1', resolve);
  });
  edge = await startEdge({ runnerUrl: `http://127.0.0.1:${(runner.address() as AddressInfo).port}` });
});

afterAll(async () => {
  await edge.close();
  runner.close();
});

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return false;
  const length = Number(/^content-length: (\d+)/im.exec(text.slice(0, end))?.[1] ?? 0);
  if (/^transfer-encoding: chunked/im.test(text.slice(0, end))) return text.endsWith('0\r\n\r\n');
  return text.length - end - 4 >= length;
}

const host = `Host: ${HOST}`;
const chunked = 'Transfer-Encoding: chunked';
const line = (first: string): string => `${first}\r\n${host}\r\n\r\n`;
const get = (headers: string, target = '/f'): string => `GET ${target} HTTP/1.1\r\n${headers}\r\n\r\n`;
const post = (headers: string, body: string): string =>
  `POST /f HTTP/1.1\r\n${host}\r\n${headers}\r\n\r\n${body}`;
const chunks = (body: string): string => post(chunked, body);

type Row = [what: string, bytes: string, status?: number];

const REQUEST_LINES: Row[] = [
  ['a tab after the method', line('GET\t/f HTTP/1.1')],
  ['a space and a tab', line('GET \t/f HTTP/1.1')],
  ['a tab before the version', line('GET /f\tHTTP/1.1')],
  ['a vertical tab', line('GET \x0b/f HTTP/1.1')],
  ['a form feed', line('GET /f\x0cHTTP/1.1')],
  ['a bare CR', line('GET\r/f HTTP/1.1')],
  ['a no-break space', line('GET\xa0/f HTTP/1.1')],
  ['a space before the method', line(' GET /f HTTP/1.1')],
  ['a tab before the method', line('\tGET /f HTTP/1.1')],
  ['a line of spaces before it', ` \r\n${line('GET /f HTTP/1.1')}`],
  ['a NUL before it', `\0${line('GET /f HTTP/1.1')}`],
  ['a space after the version', line('GET /f HTTP/1.1 ')],
  ['a tab after the version', line('GET /f HTTP/1.1\t')],
  ['bare LF at its end', `GET /f HTTP/1.1\n${host}\r\n\r\n`],
  ['HTTP/0.9', 'GET /f\r\n\r\n'],
  ['HTTP/0.9 with headers', line('GET /f')],
  ['no target', line('GET HTTP/1.1')],
  ['a version in lower case', line('GET /f http/1.1')],
  ['three numbers', line('GET /f HTTP/1.1.1')],
  ['two digits before the dot', line('GET /f HTTP/01.1')],
  ['two digits after the dot', line('GET /f HTTP/1.10')],
  ['a space within the version', line('GET /f HTTP/ 1.1')],
  ['half a version', line('GET /f HTTP/1')],
  ['a comma in the version', line('GET /f HTTP/1,1')],
  ['HTTP/3.0', line('GET /f HTTP/3.0')],
  ['another protocol', line('GET /f HTTPS/1.1')],
  ['a method of RTSP over HTTP', line('DESCRIBE /f HTTP/1.1')],
  ['a method of RTSP', line('DESCRIBE /f RTSP/1.0'), 501],
  ['a control character in the target', get(host, '/\x01')],
  ['DEL in the target', get(host, '/\x7f')],
  ['one slash after the scheme', get(host, `http:/${HOST}/f`)],
  ['no slash after the scheme', get(host, `http:${HOST}/f`)],
  ['an absolute target without a host', get(host, 'http:///f')],
  ['a fragment in an absolute target', get(host, `http://${HOST}/f#x`)],
  ['a backslash in the authority', get(host, `http://${HOST}\\f`)],
  ['an authority alone', get(host, `${HOST}:80`)],
  ['a query alone', get(host, '?a')],
  ['an absolute target and no Host', `GET http://${HOST}/f HTTP/1.1\r\n\r\n`],
];

const HEADERS: Row[] = [
  ['a parenthesis in a name', get(`${host}\r\nX(A): b`)],
  ['a space in a name', get(`${host}\r\nX A: b`)],
  ['a byte beyond ASCII in a name', get(`${host}\r\nX\xe9: b`)],
  ['NUL in a name', get(`${host}\r\nX\0: b`)],
  ['no colon', get(`${host}\r\nXA`)],
  ['a control character in a value', get(`${host}\r\nX: a\x01b`)],
  ['DEL in a value', get(`${host}\r\nX: a\x7fb`)],
  ['a vertical tab in a value', get(`${host}\r\nX: a\x0bb`)],
  ['obs-fold with a tab', get(`${host}\r\nX: a\r\n\tb`)],
  ['obs-fold of Host', get(`Host:\r\n ${HOST}`)],
  ['a line of spaces in the head', get(`${host}\r\n `)],
  ['CR CR LF', `GET /f HTTP/1.1\r\n${host}\r\r\n\r\n`],
  ['CR without LF at the end of the head', `GET /f HTTP/1.1\r\n${host}\r\n\rX`],
  ['a list of hosts', get(`${host}, other.test`)],
  ['a host with a password', get(`Host: a:b@${HOST}`)],
  ['two ports', get(`${host}:80:80`)],
  ['a port beyond 16 bits', get(`${host}:99999`)],
  ['a signed port', get(`${host}:+80`)],
  ['half an IPv6 address', get('Host: [::1')],
  ['a host with a fragment', get(`${host}#a`)],
  ['a host with a query', get(`${host}?a`)],
  ['a host with a backslash', get(`${host}\\a`)],
  ['a host with an escape', get(`${host}%00`)],
  ['a host with a tab in it', get('Host: si\tte.test')],
  ['a host in Latin-1', get('Host: s\xefte.test')],
  ['a host in half of UTF-8', get('Host: s\xc3te.test')],
];

const FRAMING: Row[] = [
  ['two numbers as a length', post('Content-Length: 3 3', 'abc')],
  ['equal lengths in a list', post('Content-Length: 3,3', 'abc')],
  ['a fraction', post('Content-Length: 3.0', 'abc')],
  ['an exponent', post('Content-Length: 3e0', 'abc')],
  ['a no-break space before the length', post('Content-Length: \xa03', 'abc')],
  ['a vertical tab before the length', post('Content-Length:\x0b3', 'abc')],
  ['no length beside chunks', post(`Content-Length: 0\r\n${chunked}`, '0\r\n\r\n')],
  ['a tab before the colon', post('Transfer-Encoding\t: chunked', '0\r\n\r\n')],
  ['a coding and a NUL', post('Transfer-Encoding: chunked\0', '0\r\n\r\n')],
  ['a control character before the coding', post('Transfer-Encoding: \x01chunked', '0\r\n\r\n')],
  ['a coding with a parameter', post('Transfer-Encoding: chunked;q=1', '0\r\n\r\n'), 501],
  ['an empty coding after it', post('Transfer-Encoding: chunked,', '0\r\n\r\n')],
  ['an empty coding before it', post('Transfer-Encoding: , chunked', '0\r\n\r\n'), 501],
  ['a coding of two words', post('Transfer-Encoding: chunked chunked', '0\r\n\r\n'), 501],
  ['a coding twice in one line', post('Transfer-Encoding: chunked, chunked', '0\r\n\r\n')],
  ['a coding and no chunks', post('Transfer-Encoding: gzip', 'abc'), 501],
  ['both lengths in HTTP/1.0', `POST /f HTTP/1.0\r\n${host}\r\n${chunked}\r\nContent-Length: 3\r\n\r\nabc`],
  [
    'an expectation twice',
    post('Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 3', 'abc'),
    417,
  ],
];

const CHUNKS: Row[] = [
  ['an underscore in a size', chunks('1_0\r\nabc\r\n0\r\n\r\n')],
  ['a sign before a size', chunks('+3\r\nabc\r\n0\r\n\r\n')],
  ['a negative zero', chunks('3\r\nabc\r\n-0\r\n\r\n')],
  ['a letter after a size', chunks('3x\r\nabc\r\n0\r\n\r\n')],
  ['a tab after a size', chunks('3\t\r\nabc\r\n0\r\n\r\n')],
  ['a space before an extension', chunks('3 ;a=b\r\nabc\r\n0\r\n\r\n')],
  ['a size that would wrap round', chunks('10000000000000003\r\nabc\r\n0\r\n\r\n')],
  ['a semicolon and nothing', chunks('3;\r\nabc\r\n0\r\n\r\n')],
  ['a line break in quotes', chunks('3;a="b\r\nc"\r\nabc\r\n0\r\n\r\n')],
  ['bare LF in quotes', chunks('3;a="b\nc"\r\nabc\r\n0\r\n\r\n')],
  ['NUL in an extension', chunks('3;a\0\r\nabc\r\n0\r\n\r\n')],
  ['data without an end of line', chunks('3\r\nabc0\r\n\r\n')],
  ['bare LF after data', chunks('3\r\nabc\n0\r\n\r\n')],
  ['bare CR after data', chunks('3\r\nabc\r0\r\n\r\n')],
  ['an empty line between chunks', chunks('3\r\nabc\r\n\r\n0\r\n\r\n')],
  ['bare LF after the last size', chunks('3\r\nabc\r\n0\n\r\n')],
  ['bare LF after the trailers', chunks('3\r\nabc\r\n0\r\n\n')],
  ['lengths among the trailers', chunks(`3\r\nabc\r\n0\r\n${chunked}\r\nContent-Length: 3\r\n\r\n`)],
  ['obs-fold among the trailers', chunks('0\r\nX: a\r\n b\r\n\r\n')],
  ['bare LF among the trailers', chunks('0\r\nX: a\n\r\n')],
  ['bare CR among the trailers', chunks('0\r\nX: a\rb\r\n\r\n')],
  ['NUL among the trailers', chunks('0\r\nX: a\0\r\n\r\n')],
  ['a space before the colon of a trailer', chunks('0\r\nX : a\r\n\r\n')],
  ['a request among the trailers', chunks(`0\r\nGET /smuggled HTTP/1.1\r\n${host}\r\n\r\n`)],
];

test.each([...REQUEST_LINES, ...HEADERS, ...FRAMING, ...CHUNKS])(
  'refused: %s',
  async (_what, bytes, status = 400) => {
    const before = passed.length;
    const reply = await exchangeRaw(edge.port, `${bytes}${get(host, '/smuggled')}`);
    expect(reply.status).toBe(status);
    expect(reply.isClosed).toBe(true);
    expect(passed.length).toBe(before);
    expect((await edge.recordOf(reply.header('x-origan-request-id'))).status).toBe(status);
  },
);

// RFC 9112 section 3 lets a server read the request line as words with white space between them, and section 2.2 asks it to
// ignore empty lines before it: nothing else is let pass, and what the function is sent has been written anew.
const READ_ALIKE: Row[] = [
  ['two spaces after the method', line('GET  /f HTTP/1.1')],
  ['spaces before the version', line('GET /f     HTTP/1.1')],
  ['spaces around an absolute target', line(`GET   http://${HOST}/f   HTTP/1.1`)],
  ['empty lines before it', `\r\n\r\n${line('GET /f HTTP/1.1')}`],
  ['bare LF before it', `\n${line('GET /f HTTP/1.1')}`],
  ['bare CR before it', `\r${line('GET /f HTTP/1.1')}`],
  ['the name of another protocol with the same framing', line('GET /f RTSP/1.0')],
  ['HTTP/1.0', line('GET /f HTTP/1.0')],
  ['an empty port', get(`${host}:`)],
  ['a tab around a value', get(`Host:\t${HOST}\t`)],
  [
    'an upgrade to HTTP/2',
    get(`${host}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__`),
  ],
  ['Host named by Connection', get(`${host}\r\nConnection: host`)],
  ['a chunked body of GET that is empty', get(`${host}\r\n${chunked}`) + '0\r\n\r\n'],
];

test.each(READ_ALIKE)('written anew for the function: %s', async (_what, bytes) => {
  const before = passed.length;
  expect((await exchangeRaw(edge.port, bytes)).status).toBe(200);
  expect(passed.length).toBe(before + 1);
  const [first, ...fields] = (passed.at(-1) ?? '').split('\r\n');
  expect(first).toBe('GET /f HTTP/1.1');
  expect(fields.filter((field) => /^host:/i.test(field)).map((field) => field.toLowerCase())).toEqual([
    `host: ${HOST}`,
  ]);
  expect(fields.filter((field) => /^(?:upgrade|http2-settings):/i.test(field))).toEqual([]);
});

const BODIES: Row[] = [
  ['a length with zeros before it', post('Content-Length: 003', 'abc')],
  ['a length and white space', post('Content-Length: 3 \t', 'abc')],
  ['a length that Connection names', post('Connection: content-length\r\nContent-Length: 3', 'abc')],
  [
    'a coding that Connection names',
    post(`Connection: transfer-encoding\r\n${chunked}`, '3\r\nabc\r\n0\r\n\r\n'),
  ],
  ['sizes with zeros before them', chunks('0000000000000000003\r\nabc\r\n000\r\n\r\n')],
  ['a quoted extension', chunks('3;a="b;c"\r\nabc\r\n0\r\n\r\n')],
  ['an escape in a quoted extension', chunks('3;a="b\\"c"\r\nabc\r\n0\r\n\r\n')],
  ['trailers', chunks('3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n')],
];

test.each(BODIES)('the body, framed anew: %s', async (_what, bytes) => {
  expect((await exchangeRaw(edge.port, bytes)).status).toBe(200);
  const [head = '', body] = (passed.at(-1) ?? '').split(/\r\n\r\n(.*)/s);
  const length = /^content-length: (.*)$/im.exec(head)?.[1];
  const coding = /^transfer-encoding: (.*)$/im.exec(head)?.[1];
  expect([length, coding, body]).toEqual(
    length === undefined ? [undefined, 'chunked', '3\r\nabc\r\n0\r\n\r\n'] : ['3', undefined, 'abc'],
  );
  expect(head).not.toMatch(/trailer/i);
});
