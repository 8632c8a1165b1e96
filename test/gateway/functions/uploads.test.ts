import { expect, test } from 'vitest';
import { cleanUpAfterEach, OK, readUntil, request, setUp } from '../../support/play-runner.ts';
import { exchangeRaw, openRaw } from '../../support/raw-http.ts';
import { readRequestHead, whenClosed } from '../../support/socket-server.ts';
import { HOST } from '../../support/start-edge.ts';

cleanUpAfterEach();

test('a chunked upload reaches the function piece by piece, while the client is still sending', async () => {
  let seen = '';
  const { edge } = await setUp(async (socket) => {
    seen = await readUntil(socket, 'first');
    expect(seen).toMatch(/transfer-encoding: chunked/i);
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngot1\r\n');
    seen += await readUntil(socket, 'second');
    socket.write('4\r\ngot2\r\n');
    seen += await readUntil(socket, '0\r\n\r\n');
    socket.write('0\r\n\r\n');
  });
  const client = await openRaw(edge.port);
  client.send(request('POST /up HTTP/1.1', ['Transfer-Encoding: chunked']));
  client.send('5\r\nfirst\r\n');
  await client.received('got1');
  client.send('6\r\nsecond\r\n');
  await client.received('got2');
  client.send('0\r\n\r\n');
  const answer = await client.response();
  expect(answer.text).toBe('got1got2');
  expect(answer.isComplete).toBe(true);
  client.close();
});

test('100 is said only when the function is really called', async () => {
  const { edge } = await setUp(
    async (socket) => {
      expect(await readUntil(socket, 'abc')).not.toMatch(/expect/i);
      socket.write(OK);
    },
    { files: { '/page.html': 'page' } },
  );
  const client = await openRaw(edge.port);
  client.send(request('POST /f HTTP/1.1', ['Expect: 100-Continue', 'Content-Length: 3']));
  expect((await client.response()).status).toBe(100);
  client.send('abc');
  expect((await client.response()).text).toBe('ok');
  client.close();
  // Whether the body will be sent is open: nothing else may come on these connections.
  const refusals: [path: string, length: number, host: string, status: number][] = [
    ['/page.html', 3, HOST, 405],
    ['/f', 1e9, HOST, 413],
    ['/f', 3, 'unknown.test', 404],
  ];
  for (const [path, length, host, status] of refusals) {
    const lines = [
      `POST ${path} HTTP/1.1`,
      `Host: ${host}`,
      'Expect: 100-continue',
      `Content-Length: ${length}`,
    ];
    const refused = await exchangeRaw(edge.port, [...lines, '', ''].join('\r\n'));
    expect([refused.status, refused.isClosed]).toEqual([status, true]);
  }
});

test('Expect of an HTTP/1.0 client is ignored', async () => {
  const { edge } = await setUp(async (socket) => {
    await readUntil(socket, 'abc');
    socket.write(OK);
  });
  const answer = await exchangeRaw(
    edge.port,
    request('POST / HTTP/1.0', ['Expect: 100-continue', 'Content-Length: 3'], 'abc'),
  );
  expect(answer.text).toBe('ok');
});

test('a body of a declared size beyond the limit is 413 before anybody is called', async () => {
  const { edge, runner } = await setUp((socket) => socket.resume(), { maxBodyBytes: 10 });
  const answer = await exchangeRaw(
    edge.port,
    request('POST / HTTP/1.1', ['Content-Length: 11'], '01234567890'),
  );
  expect([answer.status, answer.isClosed]).toEqual([413, true]);
  expect(runner.connections).toHaveLength(0);
});

test('a body that grows beyond the limit is 413, and the call is aborted', async () => {
  const { edge, runner } = await setUp((socket) => socket.resume(), { maxBodyBytes: 100_000 });
  const client = await openRaw(edge.port);
  client.send(request('POST /big HTTP/1.1', ['Transfer-Encoding: chunked']));
  const chunk = `1000\r\n${'x'.repeat(0x1000)}\r\n`;
  // The client does not listen and goes on sending, well past the answer: it must still get it.
  for (let count = 0; count < 500; count += 1) client.send(chunk);
  const answer = await client.response();
  expect([answer.status, answer.header('connection')]).toEqual([413, 'close']);
  expect(answer.text).toContain('BODY_TOO_LARGE');
  await whenClosed(runner.connections[0]);
  await client.ended();
  client.close();
  expect(await edge.recordOfPath('/big')).toMatchObject({
    status: 413,
    error: 'BODY_TOO_LARGE',
    isAborted: false,
  });
});

test('a body up to the limit passes', async () => {
  const { edge } = await setUp(
    async (socket) => {
      await readUntil(socket, '0123456789');
      socket.write(OK);
    },
    { maxBodyBytes: 10 },
  );
  expect(
    (await exchangeRaw(edge.port, request('POST / HTTP/1.1', ['Content-Length: 10'], '0123456789'))).text,
  ).toBe('ok');
});

test('an answer that comes before the end of the upload arrives whole, and ends the connection', async () => {
  const { edge } = await setUp(async (socket) => {
    await readRequestHead(socket);
    socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
  });
  const client = await openRaw(edge.port);
  client.send(request('POST /early HTTP/1.1', ['Content-Length: 10000000']));
  client.send(Buffer.alloc(100_000));
  const answer = await client.response();
  expect([answer.status, answer.text, answer.header('connection')]).toEqual([403, 'no', 'close']);
  for (let count = 0; count < 10; count += 1) client.send(Buffer.alloc(100_000));
  await client.ended();
  client.close();
});
