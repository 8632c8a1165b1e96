import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { HOST } from '../../support/start-edge.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { bodyOf, cleanUpAfterEach, setUpCache, statusOf, type Rig } from './rig.ts';

cleanUpAfterEach();

const LIFETIME = { 'Cache-Control': 'max-age=60' };

test.each([
  ['a Content-Length that it does not reach', { ...LIFETIME, 'Content-Length': '10' }],
  ['chunks that do not end', LIFETIME],
])('a response with %s is not stored, and the client sees that it is not whole', async (_what, headers) => {
  const rig = await setUpCache((_request, response) => {
    response.writeHead(200, headers);
    response.write('01234', () => response.destroy());
  });
  await expect(rig.get('/')).rejects.toThrow('aborted');
  await expect(rig.get('/')).rejects.toThrow('aborted');
  expect(rig.runner.calls).toHaveLength(2);
});

test('a response larger than the limit passes through and is not stored', async () => {
  const rig = await setUpCache(
    (_request, response) => response.writeHead(200, LIFETIME).end('x'.repeat(2000)),
    {
      cache: { maxEntryBytes: 1000 },
    },
  );
  expect((await rig.get('/')).body).toHaveLength(2000);
  expect(statusOf(await rig.get('/'))).not.toContain('hit');
});

test('those who wait for a response that turns out too large go on their own', async () => {
  const waiting: ServerResponse[] = [];
  const rig = await setUpCache((_request, response) => waiting.push(response), {
    cache: { maxEntryBytes: 1000 },
  });
  const replies = [rig.get('/'), rig.get('/'), rig.get('/')];
  await waitUntil(() => waiting.length === 1 && rig.edges[0]?.underWay() === 3);
  const first = waiting.pop();
  first?.writeHead(200, LIFETIME).write('x'.repeat(2000));
  await waitUntil(() => waiting.length === 2);
  first?.end();
  for (const response of waiting) response.writeHead(200, LIFETIME).end('y'.repeat(2000));
  for (const reply of replies) expect((await reply).body).toHaveLength(2000);
});

test('a body reaches the client as it is written, while it is kept', async () => {
  let rest: ServerResponse | undefined;
  const rig = await setUpCache((_request, response) => {
    response.writeHead(200, LIFETIME).write('first');
    rest = response;
  });
  const reply = await open(rig, '/');
  expect(String((await once(reply, 'data'))[0])).toBe('first');
  rest?.end(' last');
  await once(reply, 'end');
  expect(bodyOf(await rig.get('/'))).toBe('first last');
  expect(rig.runner.calls).toHaveLength(1);
});

test('early hints pass through with a miss, and are no part of what is stored', async () => {
  const rig = await setUpCache((_request, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
    response.writeHead(200, LIFETIME).end('body');
  });
  const hintsOf = async (): Promise<unknown[]> => {
    const sent = httpRequest({
      host: '127.0.0.1',
      port: rig.edges[0]?.port,
      headers: { host: HOST },
      agent: false,
    });
    const hints: unknown[] = [];
    sent.on('information', ({ statusCode, headers }) => hints.push(statusCode, headers.link));
    sent.end();
    const [reply] = (await once(sent, 'response')) as [IncomingMessage];
    await once(reply.resume(), 'end');
    expect(reply.headers.link).toBeUndefined();
    return hints;
  };
  expect(await hintsOf()).toEqual([103, '</style.css>; rel=preload; as=style']);
  expect(await hintsOf()).toEqual([]);
  expect(rig.runner.calls).toHaveLength(1);
});

test('a client that reads slowly holds up nobody who waits for the same response', async () => {
  const body = 'x'.repeat(4_000_000);
  const waiting: ServerResponse[] = [];
  const rig = await setUpCache((_request, response) => waiting.push(response));
  const slow = open(rig, '/');
  await waitUntil(() => waiting.length === 1);
  const other = rig.get('/');
  await waitUntil(() => rig.edges[0]?.underWay() === 2);
  waiting[0]?.writeHead(200, LIFETIME).end(body);
  const reply = await slow;
  // Not a byte of it has been read yet.
  expect((await other).body).toHaveLength(body.length);
  reply.destroy();
});

test('a client that leaves in the middle of a body ends the call', async () => {
  const rig = await setUpCache((_request, response) => {
    response.writeHead(200, LIFETIME).write('first');
  });
  const reply = await open(rig, '/');
  reply.destroy();
  await waitUntil(() => rig.runner.underWay() === 0);
});

test('a refresh that breaks off leaves what is stored as it was', async () => {
  let isBroken = false;
  const rig = await setUpCache((_request, response) => {
    response.writeHead(200, { 'Cache-Control': 'max-age=10, stale-while-revalidate=600' });
    if (isBroken) response.write('half', () => response.destroy());
    else response.end('whole');
  });
  await rig.get('/');
  isBroken = true;
  rig.clock.advance(11_000);
  await rig.get('/');
  await waitUntil(() => rig.runner.calls.length >= 2 && rig.runner.underWay() === 0);
  expect(bodyOf(await rig.get('/'))).toBe('whole');
});

test('no body and an empty body are stored like any other', async () => {
  const rig = await setUpCache((request, response) => {
    if (request.url === '/204') response.writeHead(204, LIFETIME).end();
    else response.writeHead(200, { ...LIFETIME, 'Content-Length': '0' }).end();
  });
  for (const path of ['/204', '/empty']) {
    await rig.get(path);
    const hit = await rig.get(path);
    expect([statusOf(hit).includes('; hit'), bodyOf(hit)]).toEqual([true, '']);
  }
  expect((await rig.get('/204')).headers['content-length']).toBeUndefined();
});

test('memory is bounded: what was used least makes room', async () => {
  const rig = await setUpCache(
    (_request, response) => response.writeHead(200, LIFETIME).end('x'.repeat(10_000)),
    {
      cache: { maxBytes: 50_000, maxEntryBytes: 20_000 },
    },
  );
  for (let index = 0; index < 20; index += 1) await rig.get(`/${index}`);
  rig.runner.calls.length = 0;
  // Both still stand in the shared cache, but in memory only the second does.
  await rig.get('/0');
  await rig.get('/19');
  expect(rig.runner.calls).toHaveLength(0);
});

async function open({ edges }: Rig, path: string): Promise<IncomingMessage> {
  const sent = httpRequest({
    host: '127.0.0.1',
    port: edges[0]?.port,
    path,
    headers: { host: HOST },
    agent: false,
  });
  sent.end();
  const [reply] = (await once(sent, 'response')) as [IncomingMessage];
  reply.on('error', () => {});
  return reply;
}
