import { once } from 'node:events';
import { request, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { playFunction } from '../../support/play-function.ts';
import { HOST, startEdge } from '../../support/start-edge.ts';

// Every limit is a fraction of the streams' lives: one that counted life and not silence would cut them. The same with the limits
// of an installation, for ten minutes: npm run bench:streams -- --minutes 10
const LIMIT_MS = 1500;
const LIFE_MS = 4500;
const TICK_MS = 20;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Writes something every few milliseconds, then ends; answers how often. */
async function live(stream: NodeJS.WritableStream, what: string): Promise<number> {
  let count = 0;
  const until = performance.now() + LIFE_MS;
  while (performance.now() < until) {
    stream.write(what);
    count += 1;
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  stream.end();
  return count;
}

async function setUp(play: (call: IncomingMessage, reply: ServerResponse) => unknown): Promise<number> {
  const runner = await playFunction(play);
  const limit = String(LIMIT_MS);
  const edge = await startEdge({
    runnerUrl: runner.url,
    drainTimeoutMs: 0,
    limits: { idleTimeoutMs: LIMIT_MS, headersTimeoutMs: LIMIT_MS },
    runnerEnv: {
      RUNNER_CONNECT_TIMEOUT_MS: limit,
      RUNNER_FIRST_BYTE_TIMEOUT_MS: limit,
      RUNNER_IDLE_TIMEOUT_MS: limit,
    },
  });
  cleanups.push(
    () => runner.close(),
    () => edge.close(),
  );
  return edge.port;
}

function call(port: number, method: string): ReturnType<typeof request> {
  return request({ host: '127.0.0.1', port, method, headers: { host: HOST }, agent: false });
}

test('a stream of events outlives every limit that it never reaches', async () => {
  let sent = Promise.resolve(0);
  const port = await setUp((_call, reply) => {
    reply.writeHead(200, { 'Content-Type': 'text/event-stream' });
    sent = live(reply, 'data: x\n\n');
  });
  const asked = call(port, 'GET').end();
  const [reply] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of reply) text += String(chunk);
  expect(reply.complete).toBe(true);
  expect(text.split('\n\n').length - 1).toBe(await sent);
});

test('so do an upload and its answer, both alive', async () => {
  const port = await setUp((incoming, reply) => {
    reply.writeHead(200).flushHeaders();
    incoming.pipe(reply);
  });
  const asked = call(port, 'POST');
  const sent = live(asked, 'x');
  const [reply] = (await once(asked, 'response')) as [IncomingMessage];
  let received = 0;
  for await (const chunk of reply) received += String(chunk).length;
  expect([reply.complete, received]).toEqual([true, await sent]);
});
