import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import { createRegistry } from '../../core/metrics.ts';
import type { FunctionReply } from '../../runner-client/runner-client.ts';
import {
  answerWith,
  readRequestHead,
  startSocketServer,
  type SocketServer,
} from '../support/socket-server.ts';
import { freePort } from '../support/free-port.ts';
import { manualClock } from '../support/manual-clock.ts';
import { closeClients, codeOf, IMPATIENT, makeCall, makeClient, readBody } from './make-call.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await closeClients();
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

async function serve(onConnection: (socket: Socket, index: number) => void, port = 0): Promise<SocketServer> {
  const server = await startSocketServer(onConnection, port);
  cleanups.push(server.close);
  return server;
}

/** Where nothing listens. */
const deadUrl = async (): Promise<string> => `http://127.0.0.1:${await freePort()}`;

const ok = (text: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
const own = (status: string, reason: string): string =>
  `HTTP/1.1 ${status}\r\nX-Origan-Runner-Error: ${reason}\r\nContent-Length: 0\r\n\r\n`;

/** Counts requests and answers the first so many by closing the connection. */
async function breaksOffFirst(times: number): Promise<{ server: SocketServer; requests: () => number }> {
  let requests = 0;
  const server = await serve((socket) => {
    void (async () => {
      while ((await readRequestHead(socket)) !== '') {
        requests += 1;
        if (requests <= times) {
          socket.destroy();
          return;
        }
        socket.write(ok('fine'));
      }
    })();
  });
  return { server, requests: () => requests };
}

test.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])(
  '%s without a body is tried once more',
  async (method) => {
    const { server, requests } = await breaksOffFirst(1);
    const reply = await makeClient(server.url).call(makeCall({ method }));
    expect(reply.status).toBe(200);
    reply.body.destroy();
    expect(requests()).toBe(2);
  },
);

test.each(['POST', 'PATCH'])('%s is never tried a second time', async (method) => {
  const { server, requests } = await breaksOffFirst(1);
  expect(await codeOf(makeClient(server.url).call(makeCall({ method })))).toBe('RUNNER_BROKE_OFF');
  expect(requests()).toBe(1);
});

test('PUT with a body that was taken is not tried a second time', async () => {
  const { server, requests } = await breaksOffFirst(1);
  const body = Readable.from([Buffer.from('x')]);
  expect(await codeOf(makeClient(server.url).call(makeCall({ method: 'PUT', body })))).toBe(
    'RUNNER_BROKE_OFF',
  );
  expect(requests()).toBe(1);
});

test('a runner that breaks off every time gets two attempts', async () => {
  const { server, requests } = await breaksOffFirst(99);
  expect(await codeOf(makeClient(server.url).call(makeCall()))).toBe('RUNNER_BROKE_OFF');
  expect(requests()).toBe(2);
});

test('a time-out is not tried again', async () => {
  let requests = 0;
  const server = await serve((socket) => {
    socket.once('data', () => {
      requests += 1;
    });
  });
  expect(await codeOf(makeClient(server.url, IMPATIENT).call(makeCall()))).toBe('RUNNER_TIMEOUT');
  expect(requests).toBe(1);
});

test('where nothing listens another runner takes the call, a POST with its body untouched too', async () => {
  const dead = await deadUrl();
  let received = '';
  const server = await serve((socket) => {
    socket.on('data', (chunk) => {
      received += String(chunk);
      if (received.includes('\r\n0\r\n\r\n')) socket.write(ok('fine'));
    });
  });
  const client = makeClient([dead, server.url]);
  for (let round = 0; round < 8; round += 1) {
    received = '';
    const call = makeCall({
      method: 'POST',
      deploymentId: `d${round}`,
      body: Readable.from([Buffer.from('body')]),
    });
    expect(await readBody(await client.call(call))).toBe('fine');
    expect(received).toContain('\r\nbody\r\n');
  }
});

test("the runner's own overload is an error of the edge; for a GET another runner is asked first", async () => {
  const busy = await serve(answerWith(own('503 Service Unavailable', 'overloaded')));
  const calm = await serve(answerWith(ok('fine')));
  expect(await codeOf(makeClient(busy.url).call(makeCall()))).toBe('RUNNER_OVERLOADED');
  const client = makeClient([busy.url, calm.url]);
  for (let round = 0; round < 8; round += 1) {
    expect(await readBody(await client.call(makeCall({ deploymentId: `d${round}` })))).toBe('fine');
  }
});

test("the runner's own time-out is a time-out, its other errors and the function's own 503 are answers", async () => {
  const stuck = await serve(answerWith(own('500 Internal Server Error', 'timeout')));
  expect(await codeOf(makeClient(stuck.url).call(makeCall()))).toBe('RUNNER_TIMEOUT');
  const failing = await serve(answerWith(own('500 Internal Server Error', 'failed')));
  expect((await makeClient(failing.url).call(makeCall())).status).toBe(500);
  const app = await serve(answerWith('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy'));
  const reply = await makeClient(app.url).call(makeCall());
  expect([reply.status, await readBody(reply)]).toEqual([503, 'busy']);
});

test('a deployment stays on one runner, deployments spread, and most stay where they are when a runner goes', async () => {
  const names = ['a', 'b', 'c'];
  const servers = await Promise.all(names.map((name) => serve(answerWith(ok(name)))));
  const ask = async (client: ReturnType<typeof makeClient>): Promise<string[]> => {
    const answers: string[] = [];
    // So many that each of three has its share, whatever the ports are that it is worked out from.
    for (let index = 0; index < 120; index += 1) {
      answers.push(await readBody(await client.call(makeCall({ deploymentId: `dep-${index}` }))));
    }
    return answers;
  };
  const client = makeClient(servers.map((server) => server.url));
  const first = await ask(client);
  expect(await ask(client)).toEqual(first);
  for (const name of names) expect(first.filter((answer) => answer === name).length).toBeGreaterThan(8);
  await servers[2]?.close();
  cleanups.splice(2, 1);
  const after = await ask(client);
  for (const [index, answer] of first.entries()) {
    if (answer !== 'c') expect(after[index]).toBe(answer);
    else expect(after[index]).not.toBe('c');
  }
});

test('the breaker keeps calls from a runner that is gone, probes, and closes when it is back', async () => {
  const clock = manualClock();
  const registry = createRegistry();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const client = makeClient(url, {}, { clock, registry });
  for (let round = 0; round < 5; round += 1) {
    expect(await codeOf(client.call(makeCall()))).toBe('RUNNER_UNREACHABLE');
  }
  expect(await registry.getSingleMetricAsString('runner_breaker_open')).toContain(`{runner="${url}"} 1`);
  const back = await serve(answerWith(ok('back')), port);
  expect(await codeOf(client.call(makeCall()))).toBe('RUNNER_UNREACHABLE');
  expect(back.connections).toHaveLength(0);
  clock.advance(500);
  expect(await readBody(await client.call(makeCall()))).toBe('back');
  expect(await registry.getSingleMetricAsString('runner_breaker_open')).toContain(`{runner="${url}"} 0`);
});

test('one deployment that always times out does not close its runner to the others; many that do, close it', async () => {
  const clock = manualClock();
  const server = await serve((socket) => socket.resume());
  const client = makeClient(server.url, { RUNNER_FIRST_BYTE_TIMEOUT_MS: '30' }, { clock });
  const ask = async (deploymentId: string): Promise<string> =>
    codeOf(client.call(makeCall({ deploymentId })));
  await Promise.all(Array.from({ length: 8 }, () => ask('slow')));
  expect(await ask('slow')).toBe('RUNNER_TIMEOUT');
  await Promise.all(['b', 'c', 'd', 'e'].map(ask));
  expect(await ask('f')).toBe('RUNNER_UNREACHABLE');
});

test('calls past the limits are refused at once, and places are given back', async () => {
  const waiting: Socket[] = [];
  const server = await serve((socket) => {
    void (async () => {
      while ((await readRequestHead(socket)) !== '') waiting.push(socket);
    })();
  });
  const whenWaiting = async (count: number): Promise<Socket[]> => {
    while (waiting.length < count) await new Promise(setImmediate);
    return waiting.splice(0);
  };
  const limits = {
    RUNNER_MAX_CALLS: '3',
    RUNNER_MAX_CALLS_PER_DEPLOYMENT: '2',
    RUNNER_FIRST_BYTE_TIMEOUT_MS: '60000',
  };
  const client = makeClient(server.url, limits);
  const ask = async (deploymentId: string): Promise<FunctionReply> => client.call(makeCall({ deploymentId }));
  const calls = [ask('dep1'), ask('dep1')];
  expect(await codeOf(ask('dep1'))).toBe('RUNNER_OVERLOADED');
  calls.push(ask('dep2'));
  expect(await codeOf(ask('dep3'))).toBe('RUNNER_OVERLOADED');
  for (const socket of await whenWaiting(3)) socket.write(ok('x'));
  const replies = await Promise.all(calls);
  // The head is there, and so is the body, in the stream's memory: the wire is done, the places are free.
  const next = [ask('dep1'), ask('dep1'), ask('dep3')];
  for (const socket of await whenWaiting(3)) socket.write(ok('y'));
  for (const reply of [...replies, ...(await Promise.all(next))])
    expect(await readBody(reply)).toMatch(/x|y/);
});
