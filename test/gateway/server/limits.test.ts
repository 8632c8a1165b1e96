import { expect, test } from 'vitest';
import { cleanUpAfterEach, OK, readUntil, request, setUp } from '../../support/play-runner.ts';
import { exchangeRaw, openRaw, type RawClient } from '../../support/raw-http.ts';
import { readRequestHead, whenClosed } from '../../support/socket-server.ts';

cleanUpAfterEach();

test('a head that does not arrive in time is 408', async () => {
  const { edge } = await setUp(() => {}, { limits: { headersTimeoutMs: 200 } });
  const client = await openRaw(edge.port);
  client.send('GET / HTTP/1.1\r\nHost: site.test\r\nX-Slow: ');
  const answer = await client.response();
  expect([answer.status, answer.header('connection')]).toEqual([408, 'close']);
  expect(answer.text).toContain('REQUEST_TIMEOUT');
  await client.ended();
  expect(await edge.recordOf(answer.header('x-origan-request-id'))).toMatchObject({
    status: 408,
    error: 'REQUEST_TIMEOUT',
    route: 'refused',
  });
});

test('the head of a later request on a connection has its time too', async () => {
  const { edge } = await setUp(() => {}, { limits: { headersTimeoutMs: 200 }, files: { '/a.txt': 'a' } });
  const client = await openRaw(edge.port);
  client.send(request('GET /a.txt HTTP/1.1'));
  expect((await client.response()).status).toBe(200);
  client.send('GET / HTT');
  expect((await client.response()).status).toBe(408);
  await client.ended();
});

test('a connection that never says anything is closed without a word and without a record', async () => {
  const { edge } = await setUp(() => {}, { limits: { headersTimeoutMs: 200 } });
  const client = await openRaw(edge.port);
  expect((await client.ended()).toString()).toBe('');
  expect(edge.records).toEqual([]);
});

test('empty lines, which the parser skips, do not keep a connection open', async () => {
  const { edge } = await setUp(() => {}, { limits: { headersTimeoutMs: 200 }, files: { '/a.txt': 'a' } });
  const client = await openRaw(edge.port);
  client.send(request('GET /a.txt HTTP/1.1'));
  expect((await client.response()).status).toBe(200);
  const drip = setInterval(() => client.send('\r\n'), 20);
  expect((await client.ended()).toString()).toBe('');
  clearInterval(drip);
  expect(edge.records).toHaveLength(1);
});

test('a connection that rests between requests or waits for a slow call is left alone', async () => {
  const { edge } = await setUp(
    async (socket) => {
      await readRequestHead(socket);
      setTimeout(() => socket.write(OK), 800);
    },
    { limits: { headersTimeoutMs: 100 }, files: { '/a.txt': 'a' } },
  );
  const client = await openRaw(edge.port);
  for (const path of ['/a.txt', '/slow', '/a.txt']) {
    client.send(request(`GET ${path} HTTP/1.1`));
    expect((await client.response()).status).toBe(200);
    await delay(800);
  }
  client.close();
});

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

test('a kept-alive connection is closed when nothing comes', async () => {
  const { edge } = await setUp(() => {}, { limits: { idleTimeoutMs: 200 }, files: { '/a.txt': 'a' } });
  const client = await openRaw(edge.port);
  client.send(request('GET /a.txt HTTP/1.1'));
  expect((await client.response()).header('connection')).toBe('keep-alive');
  expect((await client.ended()).toString()).toBe('');
});

test('a body that stops coming is 408, and the call is aborted', async () => {
  const { edge, runner } = await setUp((socket) => socket.resume(), { limits: { idleTimeoutMs: 200 } });
  const client = await openRaw(edge.port);
  client.send(request('POST /stalls HTTP/1.1', ['Content-Length: 10'], 'half'));
  const answer = await client.response();
  expect([answer.status, answer.header('connection')]).toEqual([408, 'close']);
  await whenClosed(runner.connections[0]);
  expect(await edge.recordOfPath('/stalls')).toMatchObject({ status: 408, error: 'REQUEST_TIMEOUT' });
  client.close();
});

test('a function that reads late is not the fault of its client, one that sends no more is, later on too', async () => {
  const { edge, runner } = await setUp(
    async (socket) => {
      if ((await readRequestHead(socket)) === '') return;
      const other = await openRaw(edge.port);
      other.send(request('GET /a.txt HTTP/1.1'));
      await other.response();
      // Its idle time and more goes by while nobody reads the upload.
      await other.ended();
      expect(edge.records.map(({ path }) => path)).toEqual(['/a.txt']);
      socket.resume();
    },
    { limits: { idleTimeoutMs: 200 }, files: { '/a.txt': 'a' } },
  );
  const client = await openRaw(edge.port);
  client.send(request('POST /late HTTP/1.1', ['Content-Length: 100000000']));
  client.send(Buffer.alloc(50_000_000));
  expect((await client.response()).status).toBe(408);
  await whenClosed(runner.connections[0]);
  client.close();
});

test('a body that stops coming after the answer began cuts the answer', async () => {
  const { edge, runner } = await setUp(
    async (socket) => {
      await readUntil(socket, 'half');
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n');
      socket.resume();
    },
    { limits: { idleTimeoutMs: 200 } },
  );
  const client = await openRaw(edge.port);
  client.send(request('POST /stalls HTTP/1.1', ['Content-Length: 10'], 'half'));
  expect((await client.response()).isComplete).toBe(false);
  await whenClosed(runner.connections[0]);
});

test('a client that does not read its answer is cut when nothing moves for the idle time', async () => {
  const { edge, runner } = await setUp(
    async (socket) => {
      await readRequestHead(socket);
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n');
      socket.write(Buffer.alloc(100_000_000));
      socket.resume();
    },
    { limits: { idleTimeoutMs: 300 } },
  );
  const client = await openRaw(edge.port);
  client.socket.pause();
  client.send(request('GET /unread HTTP/1.1'));
  expect(await edge.recordOfPath('/unread')).toMatchObject({ status: 200, isAborted: true });
  await whenClosed(runner.connections[0]);
  client.close();
});

test('a function may think for longer than the idle time, and a stream may be silent for longer', async () => {
  const { edge } = await setUp(
    async (socket) => {
      if ((await readRequestHead(socket)) === '') return;
      // Both waits end when another connection has been idle for the idle time, and more.
      await idleOnce();
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n');
      await idleOnce();
      socket.end('6\r\nsecond\r\n0\r\n\r\n');
    },
    { limits: { idleTimeoutMs: 500 }, files: { '/a.txt': 'a' } },
  );
  const idleOnce = async (): Promise<void> => {
    const other = await openRaw(edge.port);
    other.send(request('GET /a.txt HTTP/1.1'));
    await other.response();
    await other.ended();
  };
  const answer = await exchangeRaw(edge.port, request('GET /slow HTTP/1.1'));
  expect([answer.status, answer.text]).toEqual([200, 'firstsecond']);
});

test('connections beyond the limit of a client are 429, until others end', async () => {
  const { edge } = await setUp(() => {}, {
    limits: { maxConnectionsPerClient: 2 },
    files: { '/a.txt': 'a' },
  });
  const open: RawClient[] = [await openRaw(edge.port), await openRaw(edge.port)];
  const third = await openRaw(edge.port);
  third.send(request('GET /a.txt HTTP/1.1'));
  const refused = await third.response();
  expect([refused.status, refused.header('connection')]).toEqual([429, 'close']);
  expect(refused.header('retry-after')).toBeDefined();
  await third.ended();
  third.close();
  expect(await edge.recordOf(refused.header('x-origan-request-id'))).toMatchObject({ status: 429 });
  for (const client of open) {
    client.send(request('GET /a.txt HTTP/1.1'));
    expect((await client.response()).status).toBe(200);
    client.close();
  }
  // The server hears of the ends in its own time.
  await expect
    .poll(async () => (await exchangeRaw(edge.port, request('GET /a.txt HTTP/1.1'))).status)
    .toBe(200);
  expect(edge.records.every(({ path, status }) => path === '' || status === 200)).toBe(true);
});

test('a proxy in front stands for many clients: its connections are not limited', async () => {
  const { edge } = await setUp(() => {}, {
    limits: { maxConnectionsPerClient: 1 },
    trustedProxies: ['127.0.0.0/8'],
    files: { '/a.txt': 'a' },
  });
  const clients = [await openRaw(edge.port), await openRaw(edge.port), await openRaw(edge.port)];
  for (const client of clients) {
    client.send(request('GET /a.txt HTTP/1.1'));
    expect((await client.response()).status).toBe(200);
    client.close();
  }
});

test('requests sent far ahead of their answers end the connection', async () => {
  const { edge } = await setUp(async (socket) => {
    await readRequestHead(socket);
    socket.resume();
  });
  const client = await openRaw(edge.port);
  client.send(request('GET /f HTTP/1.1').repeat(200));
  await client.ended();
  expect(edge.records.length).toBeLessThan(3);
});

test('a time limit or an overload of the runner is 504 or 502, and the connection lives on', async () => {
  const { edge } = await setUp((socket) => socket.resume(), {
    runnerEnv: { RUNNER_FIRST_BYTE_TIMEOUT_MS: '100' },
  });
  const client = await openRaw(edge.port);
  client.send(request('GET /f HTTP/1.1'));
  const answer = await client.response();
  expect([answer.status, answer.header('connection')]).toEqual([504, 'keep-alive']);
  expect(answer.text).toContain('RUNNER_TIMEOUT');
  client.close();
});

test('too many calls at once are 503 with Retry-After', async () => {
  const held = { count: 0 };
  const { edge } = await setUp(
    async (socket) => {
      if ((await readRequestHead(socket)) === '') return;
      held.count += 1;
      await readUntil(socket, 'never');
      socket.write(OK);
    },
    { runnerEnv: { RUNNER_MAX_CALLS: '1' } },
  );
  const first = await openRaw(edge.port);
  first.send(request('GET /held HTTP/1.1'));
  await expect.poll(() => held.count).toBe(1);
  const second = await exchangeRaw(edge.port, request('GET /f HTTP/1.1'));
  expect([second.status, second.text.includes('RUNNER_OVERLOADED')]).toEqual([503, true]);
  expect(Number(second.header('retry-after'))).toBeGreaterThan(0);
  first.close();
});
