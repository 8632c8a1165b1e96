import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { cleanUpAfterEach, OK, readUntil, request, setUp } from '../../support/play-runner.ts';
import { exchangeRaw, openRaw } from '../../support/raw-http.ts';
import { readRequestHead } from '../../support/socket-server.ts';

cleanUpAfterEach();

test('trailers of either side are dropped, and so is their announcement', async () => {
  let seen = '';
  const { edge } = await setUp(async (socket) => {
    seen = await readUntil(socket, '0\r\n');
    socket.write(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n',
    );
  });
  const answer = await exchangeRaw(
    edge.port,
    request(
      'POST / HTTP/1.1',
      ['Transfer-Encoding: chunked', 'Trailer: X-T'],
      '1\r\na\r\n0\r\nX-T: evil\r\n\r\n',
    ),
  );
  expect(answer.text).toBe('ok');
  expect(answer.isComplete).toBe(true);
  expect(answer.headers.map(([name]) => name)).not.toContain('x-sum');
  expect(seen).not.toMatch(/x-t/i);
});

test('bytes of the answer are there as soon as they are written, the head before the first of them', async () => {
  let socketOfRunner: Socket | undefined;
  const { edge } = await setUp(async (socket) => {
    await readRequestHead(socket);
    socketOfRunner = socket;
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
  });
  const client = await openRaw(edge.port);
  client.send(request('GET /events HTTP/1.1'));
  await client.received('text/event-stream');
  for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
    socketOfRunner?.write(`${event.length.toString(16)}\r\n${event}\r\n`);
    await client.received(event);
  }
  client.close();
});

test.each(['HEAD', 'GET'])('no body after 204 and 304, none after HEAD: %s', async (method) => {
  const answers = [
    'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nX-N: 1\r\n\r\n',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: "x"\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n' + (method === 'HEAD' ? '' : 'ninebytes'),
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' +
      (method === 'HEAD' ? '' : '2\r\nok\r\n0\r\n\r\n'),
  ];
  let next = 0;
  const { edge } = await setUp(async (socket) => {
    while ((await readRequestHead(socket)) !== '') socket.write(answers[next++] ?? '');
  });
  const client = await openRaw(edge.port);
  const get = async (): ReturnType<typeof client.response> => {
    client.send(request(`${method} /x HTTP/1.1`));
    return client.response({ toHead: method === 'HEAD' });
  };
  const none = await get();
  expect([none.status, none.all('content-length'), none.all('transfer-encoding')]).toEqual([204, [], []]);
  const same = await get();
  expect([same.status, same.header('content-length'), same.header('etag')]).toEqual([304, '9', '"x"']);
  const sized = await get();
  expect([sized.status, sized.header('content-length')]).toEqual([200, '9']);
  expect(sized.text).toBe(method === 'HEAD' ? '' : 'ninebytes');
  expect((await get()).text).toBe(method === 'HEAD' ? '' : 'ok');
  client.close();
  expect((await edge.recordOf(none.header('x-origan-request-id'))).isAborted).toBe(false);
});

test('interim responses are forwarded with their headers, but for 100, which nobody asked for', async () => {
  const { edge } = await setUp(async (socket) => {
    if ((await readRequestHead(socket)) === '') return;
    socket.write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 Whatever\r\n\r\n');
    socket.write(
      'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload; as=style, </b.js>; rel=preload\r\nX-Origan-A: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n',
    );
    socket.write('HTTP/1.1 103 Early Hints\r\nLink: </c.css>; rel=preload\r\n\r\n');
    socket.end(OK);
  });
  const client = await openRaw(edge.port);
  client.send(request('GET / HTTP/1.1'));
  expect([(await client.response()).status, (await client.response()).status]).toEqual([102, 199]);
  const first = await client.response();
  expect([first.status, ...first.headers]).toEqual([
    103,
    ['link', '</a.css>; rel=preload; as=style, </b.js>; rel=preload'],
  ]);
  expect((await client.response()).header('link')).toBe('</c.css>; rel=preload');
  expect((await client.response()).text).toBe('ok');
  client.close();
  // HTTP/1.0 knows no interim responses.
  expect((await exchangeRaw(edge.port, request('GET / HTTP/1.0'))).text).toBe('ok');
});

test('backpressure: a client that does not read stops the function, a function that does not read stops the client', async () => {
  const chunk = Buffer.alloc(64 * 1024);
  const flood = (
    socket: Socket,
    prefix: string,
    suffix: string,
  ): { sent: () => number; whenStuck: Promise<void> } => {
    let sent = 0;
    socket.write(prefix);
    const whenStuck = new Promise<void>((resolve) => {
      const write = (): void => {
        sent += chunk.length;
        // Stuck: what was written last is still here after many turns of the loop.
        if (socket.write(Buffer.concat([Buffer.from('10000\r\n'), chunk, Buffer.from(suffix)])))
          setImmediate(write);
        else {
          const isMoving = setTimeout(resolve, 300);
          socket.once('drain', () => {
            clearTimeout(isMoving);
            write();
          });
        }
      };
      write();
    });
    return { sent: () => sent, whenStuck };
  };
  const stuck: Promise<void>[] = [];
  let downloaded: () => number = () => 0;
  const { edge } = await setUp(async (socket) => {
    const head = await readRequestHead(socket);
    if (!head.startsWith('GET')) return;
    const download = flood(socket, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', '\r\n');
    downloaded = download.sent;
    stuck.push(download.whenStuck);
    resolveStarted();
  });
  let resolveStarted = (): void => {};
  const started = new Promise<void>((resolve) => {
    resolveStarted = resolve;
  });
  const reader = await openRaw(edge.port);
  reader.socket.pause();
  reader.send(request('GET /down HTTP/1.1'));
  await started;
  await Promise.all(stuck);
  // Buffers of two sockets and two streams, not more.
  expect(downloaded()).toBeLessThan(32 * 1024 * 1024);
  const writer = await openRaw(edge.port);
  const upload = flood(writer.socket, request('POST /up HTTP/1.1', ['Transfer-Encoding: chunked']), '\r\n');
  await upload.whenStuck;
  expect(upload.sent()).toBeLessThan(32 * 1024 * 1024);
  reader.close();
  writer.close();
});
