import { randomBytes } from 'node:crypto';
import { Agent } from 'node:http';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { HOST, startEdge, type TestEdge } from '../support/start-edge.ts';
import { exchangeRaw, openRaw } from '../support/raw-http.ts';
import { waitUntil } from '../support/wait-until.ts';
import { visit as visitOnce, type Visit, type VisitOptions } from '../support/visit.ts';

// The short way of a hit exists for its price alone: whatever it answers, the flow would have answered.

const TEXT = 'A line that compresses well. '.repeat(200);
// More than the kernel takes for a connection that nobody reads.
const LARGE = randomBytes(900_000);
let edge: TestEdge;
// The last answer of a connection is left to the flow.
const agent = new Agent({ keepAlive: true });

beforeAll(async () => {
  const files = {
    '/page.html': `<p>${TEXT}`,
    '/small.txt': 'x',
    '/image.png': Buffer.from([0, 255, 128, 10]),
    '/large.bin': LARGE,
  };
  edge = await startEdge({ files: { ...files, '/dir/index.html': TEXT } });
});
afterAll(async () => {
  agent.destroy();
  await edge.close();
});

function visit(port: number, host: string, path: string, options: VisitOptions = {}): Promise<Visit> {
  return visitOnce(port, host, path, { agent, ...options });
}

/** An answer without what differs from request to request. */
function comparable({ status, rawHeaders, body }: Visit): unknown {
  const lines: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? '';
    if (name !== 'date' && name !== 'x-origan-request-id') lines.push(`${name}: ${rawHeaders[index + 1]}`);
  }
  return { status, lines, body: body.toString('latin1') };
}

// Not a date, so it changes nothing (RFC 9110 section 13.1.3), but enough to leave the short way.
const THROUGH_THE_FLOW = { 'if-modified-since': 'never' };

async function both(
  path: string,
  options: VisitOptions,
): Promise<{ atOnce: Visit; flow: Visit; count: number }> {
  const headers = options.headers ?? {};
  const flow = await visit(edge.port, HOST, path, {
    ...options,
    headers: { ...headers, ...THROUGH_THE_FLOW },
  });
  const before = edge.answeredAtOnce();
  const atOnce = await visit(edge.port, HOST, path, options);
  return { atOnce, flow, count: edge.answeredAtOnce() - before };
}

const warm = async (path: string, headers: Record<string, string>): Promise<void> => {
  // The first answers fill memory and, in the background, the encoded forms.
  await waitUntil(async () => {
    const before = edge.answeredAtOnce();
    await visit(edge.port, HOST, path, { headers });
    return edge.answeredAtOnce() > before;
  });
};

const paths = ['/page.html', '/page.html?query=1', '/small.txt', '/image.png'];
const accepts = [undefined, 'gzip', 'br, gzip;q=0.5', 'zstd', 'identity', 'gzip;q=0, *;q=0.1'];
const cases = paths.flatMap((path) => accepts.map((accept) => ({ path, accept })));

describe('the short way answers the same bytes as the flow', () => {
  test.each(cases)('$path, Accept-Encoding: $accept', async ({ path, accept }) => {
    const headers: Record<string, string> = accept === undefined ? {} : { 'accept-encoding': accept };
    await warm(path, headers);
    for (const method of ['GET', 'HEAD']) {
      const { atOnce, flow, count } = await both(path, { method, headers });
      expect(count).toBe(1);
      expect(comparable(atOnce)).toEqual(comparable(flow));
    }
    const { etag = '' } = (await visit(edge.port, HOST, path, { headers })).headers;
    const revalidated = await both(path, { headers: { ...headers, 'if-none-match': etag } });
    expect([revalidated.count, revalidated.atOnce.status]).toEqual([1, 304]);
    expect(comparable(revalidated.atOnce)).toEqual(comparable(revalidated.flow));
  });
});

describe('what is unusual goes through the flow', () => {
  const unusual: [string, VisitOptions & { path?: string }][] = [
    ['a range', { headers: { range: 'bytes=0-1' } }],
    ['a body', { headers: { 'content-length': '1' }, body: 'x' }],
    ['several tags', { headers: { 'if-none-match': '"a", "b"' } }],
    ['a method that is not GET or HEAD', { method: 'DELETE' }],
    ['an escape in the path', { path: '/%70age.html' }],
    ['dot segments', { path: '/dir/../page.html' }],
  ];
  test.each(unusual)('%s', async (_what, { path = '/page.html', ...options }) => {
    await warm('/page.html', {});
    const before = edge.answeredAtOnce();
    await visit(edge.port, HOST, path, options);
    expect(edge.answeredAtOnce()).toBe(before);
  });

  test('every hit is recorded once', async () => {
    await warm('/small.txt', {});
    const { headers } = await visit(edge.port, HOST, '/small.txt');
    const id = String(headers['x-origan-request-id']);
    expect(await edge.recordOf(id)).toMatchObject({
      route: 'static',
      cache: 'hit',
      status: 200,
      path: '/small.txt',
    });
    expect(edge.records.filter((record) => record.id === id)).toHaveLength(1);
  });
});

const get = (path: string, fields = ''): string => `GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\n${fields}\r\n`;

test.each([
  ['a fragment', '/page.html?x#y', 400],
  ['more than 8 KiB', `/page.html?${'x'.repeat(8192)}`, 414],
  ['8 KiB', `/page.html?${'x'.repeat(8192 - '/page.html?'.length)}`, 200],
])('a target with %s in its query is answered as without memory', async (_what, target, status) => {
  await warm('/page.html', {});
  expect((await exchangeRaw(edge.port, get(target))).status).toBe(status);
});

describe('several requests on one connection', () => {
  test('sent ahead, they are answered in turn, whichever way each goes', async () => {
    await warm('/small.txt', {});
    await warm('/image.png', {});
    const before = edge.answeredAtOnce();
    const client = await openRaw(edge.port);
    client.send((get('/image.png') + get('/small.txt', 'If-Modified-Since: never\r\n')).repeat(15));
    for (let index = 0; index < 15; index += 1) {
      expect((await client.response()).body).toEqual(Buffer.from([0, 255, 128, 10]));
      expect((await client.response()).text).toBe('x');
    }
    expect(edge.answeredAtOnce() - before).toBeGreaterThan(0);
    client.close();
  });

  test('a client that does not read gets no second answer ready for it, and all of them in the end', async () => {
    await warm('/large.bin', {});
    const client = await openRaw(edge.port);
    client.socket.pause();
    const before = edge.answeredAtOnce();
    client.send(get('/large.bin').repeat(40));
    await vi.waitFor(() => expect(edge.answeredAtOnce()).toBeGreaterThan(before), 50_000);
    // Visits of others come and go meanwhile; what this one sent ahead waits for it.
    for (let round = 0; round < 20; round += 1) await visit(edge.port, HOST, '/small.txt');
    expect(edge.answeredAtOnce() - before - 20).toBeLessThan(20);
    client.socket.resume();
    for (let index = 0; index < 40; index += 1) {
      const { body } = await client.response();
      expect(body.equals(LARGE)).toBe(true);
    }
    client.close();
  });

  test('what comes after an answer and is no request is refused after it', async () => {
    await warm('/large.bin', {});
    const client = await openRaw(edge.port);
    client.send(`${get('/large.bin')}nonsense\r\n\r\n`);
    expect((await client.response()).body.equals(LARGE)).toBe(true);
    expect((await client.response()).status).toBe(400);
    await client.ended();
  });

  test('the server closes only when an answer has gone out whole', async () => {
    const other = await startEdge({ files: { '/large.bin': LARGE } });
    const look = (): Promise<Visit> => visitOnce(other.port, HOST, '/large.bin', { agent });
    await look();
    await vi.waitFor(async () => {
      await look();
      expect(other.answeredAtOnce()).toBeGreaterThan(0);
    }, 50_000);
    const client = await openRaw(other.port);
    client.socket.pause();
    const before = other.answeredAtOnce();
    client.send(get('/large.bin'));
    await vi.waitFor(() => expect(other.answeredAtOnce()).toBeGreaterThan(before), 50_000);
    const closed = other.close();
    client.socket.resume();
    expect((await client.response()).body.equals(LARGE)).toBe(true);
    await closed;
  });
});
