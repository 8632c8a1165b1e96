import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import { answerWith, readRequestHead, startHeadKeeper, startSocketServer } from '../support/socket-server.ts';
import { closeClients, makeCall, makeClient, readBody } from './make-call.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await closeClients();
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

async function startHttp(handler: (req: IncomingMessage, res: ServerResponse) => void): Promise<string> {
  const server = createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The head of the request that a call puts on the wire. */
async function headOf(...args: Parameters<typeof makeCall>): Promise<string> {
  const server = await startHeadKeeper('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n');
  cleanups.push(server.close);
  const reply = await makeClient(server.url).call(makeCall(...args));
  reply.body.resume();
  return server.head();
}

test('the request line carries method, path and query exactly as given', async () => {
  const head = await headOf({ method: 'PROPFIND', target: '//a%2Fb/%C3%A9?q=a+b&q=%zz&&=' });
  expect(head.split('\r\n')[0]).toBe('PROPFIND //a%2Fb/%C3%A9?q=a+b&q=%zz&&= HTTP/1.1');
});

test('a base path of the runner URL comes before the target', async () => {
  let url: string | undefined;
  const runner = await startHttp((req, res) => {
    url = req.url;
    res.end();
  });
  const reply = await makeClient(`${runner}/base/`).call(makeCall({ target: '/x?y' }));
  reply.body.resume();
  expect(url).toBe('/base/x?y');
});

test('headers keep their order, case and repetition; the host is the one the client asked for', async () => {
  const head = await headOf({
    headers: [
      ['Host', 'Demo.Example:7777'],
      ['X-B', '1'],
      ['x-a', '2'],
      ['X-B', '3'],
      ['Cookie', 'a=1; b=caf\u00e9'],
    ],
  });
  expect(head).toContain('host: Demo.Example:7777\r\n');
  expect(head).toContain('X-B: 1\r\nx-a: 2\r\nX-B: 3\r\nCookie: a=1; b=caf\u00e9\r\n');
});

test('platform headers of the call are sent, those among the client headers and hop-by-hop ones are not', async () => {
  const head = await headOf({
    functionHash: 'a'.repeat(64),
    metadata: 'bWV0YQ',
    headers: [
      ['Host', 'demo.example'],
      ['X-Origan-Deployment-Id', 'forged'],
      ['x-origan-anything', 'forged'],
      ['Connection', 'keep-alive, upgrade'],
      ['Keep-Alive', 'timeout=5'],
      ['Transfer-Encoding', 'chunked'],
      ['Expect', '100-continue'],
      ['Content-Length', '5'],
    ],
  });
  const lower = head.toLowerCase();
  expect(lower).not.toContain('forged');
  for (const name of ['keep-alive: ', 'transfer-encoding', 'expect', 'content-length', 'upgrade']) {
    expect(lower).not.toContain(`\r\n${name}`);
  }
  expect(lower).toContain('x-origan-deployment-id: dep1\r\n');
  expect(lower).toContain('x-origan-project-id: proj1\r\n');
  expect(lower).toContain('x-origan-function-path: deployments/dep1/api.js\r\n');
  expect(lower).toContain(`x-origan-function-hash: ${'a'.repeat(64)}\r\n`);
  expect(head).toContain('x-origan-metadata: bWV0YQ\r\n');
  expect(lower).toContain('x-origan-request-id: req-1\r\n');
  expect(lower).not.toContain('x-origan-signature');
});

test('metadata past the header limit becomes a reference', async () => {
  const head = await headOf({ metadata: 'a'.repeat(8193) });
  expect(head).toContain('x-origan-metadata-ref: cache\r\n');
  expect(head).not.toContain('x-origan-metadata: ');
});

test('a function key that is not ASCII travels as UTF-8 bytes', async () => {
  const head = await headOf({ functionKey: 'deployments/dep1/caf\u00e9/\u65e5\u672c.js' });
  const line = head.split('\r\n').find((candidate) => candidate.startsWith('x-origan-function-path: ')) ?? '';
  const value = Buffer.from(line.slice(line.indexOf(' ') + 1), 'latin1').toString('utf8');
  expect(value).toBe('deployments/dep1/caf\u00e9/\u65e5\u672c.js');
});

test('a redirect is an answer, several Set-Cookie stay several, order and case are kept', async () => {
  const server = await startSocketServer(
    answerWith(
      'HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: a=1\r\nX-One: 1\r\nSet-Cookie: b=2\r\n' +
        'Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nContent-Length: 2\r\n\r\nok',
    ),
  );
  cleanups.push(server.close);
  const reply = await makeClient(server.url).call(makeCall());
  expect(reply.status).toBe(302);
  expect(reply.headers).toEqual([
    ['Location', '/elsewhere'],
    ['Set-Cookie', 'a=1'],
    ['X-One', '1'],
    ['Set-Cookie', 'b=2'],
    ['Content-Length', '2'],
  ]);
  expect(await readBody(reply)).toBe('ok');
  expect(server.connections).toHaveLength(1);
});

test('an encoded body is passed on as it is', async () => {
  const zipped = gzipSync('hello');
  const url = await startHttp((_req, res) => {
    res.setHeader('content-encoding', 'gzip').end(zipped);
  });
  const reply = await makeClient(url).call(makeCall());
  expect(await buffer(reply.body)).toEqual(zipped);
});

test('interim responses are reported and never taken for the answer', async () => {
  const url = await startHttp((_req, res) => {
    res.writeEarlyHints({ link: '</a.css>; rel=preload' });
    res.writeProcessing();
    res.end('done');
  });
  const interim: [number, HeaderList][] = [];
  const reply = await makeClient(url).call(
    makeCall({ onInformational: (status, headers) => interim.push([status, headers]) }),
  );
  expect(reply.status).toBe(200);
  expect(await readBody(reply)).toBe('done');
  expect(interim.map(([status]) => status)).toEqual([103, 102]);
  expect(interim[0]?.[1]).toEqual([['Link', '</a.css>; rel=preload']]);
});

const CONTINUE = 'HTTP/1.1 100 Continue\r\nX-A: 1\r\n\r\n';
const HINTS = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n';
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\nHTTP/1.1 100 Continue';

test.each([
  ['alone', [CONTINUE, ANSWER]],
  ['in one piece with the answer', [CONTINUE + ANSWER]],
  ['byte by byte', (CONTINUE + ANSWER).split('')],
  ['twice, with early hints in between and after', [CONTINUE + HINTS, CONTINUE, HINTS, ANSWER]],
])('a 100 that nobody asked for is read over: %s', async (_name, pieces) => {
  const hints = pieces.join('').split('103 Early Hints').length - 1;
  const server = await startSocketServer((socket) => {
    const answer = async (): Promise<void> => {
      while ((await readRequestHead(socket)) !== '') {
        for (const piece of pieces) {
          socket.write(piece);
          await new Promise(setImmediate);
        }
      }
    };
    socket.setNoDelay(true);
    void answer();
  });
  cleanups.push(server.close);
  const client = makeClient(server.url);
  for (let round = 0; round < 4; round += 1) {
    const interim: number[] = [];
    const reply = await client.call(makeCall({ onInformational: (status) => interim.push(status) }));
    expect(reply.status).toBe(200);
    // A body that looks like one stays as it is.
    expect(await readBody(reply)).toBe('HTTP/1.1 100 Continue');
    expect(interim).toEqual(Array.from({ length: hints }, () => 103));
  }
});

test.each([
  ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n'],
  ['GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
  ['GET', 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n'],
])('%s answered without a body ends at once: %s', async (method, answer) => {
  const server = await startSocketServer(answerWith(answer));
  cleanups.push(server.close);
  const reply = await makeClient(server.url).call(makeCall({ method }));
  expect(await readBody(reply)).toBe('');
});

test('bodies of both directions arrive byte by byte, with and without a declared length', async () => {
  const url = await startHttp((req, res) => {
    res.setHeader('x-length', req.headers['content-length'] ?? 'chunked');
    req.pipe(res);
  });
  const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index & 0xff));
  const client = makeClient(url);
  for (const length of ['70000', undefined]) {
    const headers: [string, string][] = [['Host', 'demo.example']];
    if (length !== undefined) headers.push(['Content-Length', length]);
    const reply = await client.call(makeCall({ method: 'POST', headers, body: Readable.from([bytes]) }));
    expect(await buffer(reply.body)).toEqual(bytes);
    expect(new Map(reply.headers).get('x-length')).toBe(length ?? 'chunked');
  }
});

test('events arrive as they are written', async () => {
  let emit = (_event: string): void => {};
  const url = await startHttp((_req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    emit = (event) => res.write(`data: ${event}\n\n`);
    emit('first');
  });
  const reply = await makeClient(url).call(makeCall());
  const events = reply.body[Symbol.asyncIterator]();
  expect(String((await events.next()).value)).toBe('data: first\n\n');
  emit('second');
  expect(String((await events.next()).value)).toBe('data: second\n\n');
  reply.body.destroy();
});

test('an answer that comes before the request body ends is the answer, and the caller keeps its stream', async () => {
  const url = await startHttp((req, res) => {
    req.once('data', () => res.writeHead(413, { connection: 'close' }).end('too large'));
  });
  const endless = new Readable({
    read() {
      setImmediate(() => this.push(Buffer.alloc(1024)));
    },
  });
  const reply = await makeClient(url).call(makeCall({ method: 'POST', body: endless }));
  expect(reply.status).toBe(413);
  expect(await readBody(reply)).toBe('too large');
  expect(endless.destroyed).toBe(false);
  endless.destroy();
});
