import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openRaw } from '../../support/raw-http.ts';
import { HOST, startEdge, type TestEdge } from '../../support/start-edge.ts';

// Requests with a few bytes changed at random: whatever they become, each is answered or its connection ends, every answer
// is whole, and nothing escapes as an unhandled error (which fails the run).

const ROUNDS = 8;
const AT_ONCE = 100;
const SEED = 20_260_101;

let edge: TestEdge;
let runner: Server;

beforeAll(async () => {
  runner = createServer((request, response) => {
    request.resume().once('end', () => response.end('ok'));
  });
  await new Promise<void>((resolve) => {
    runner.listen(0, '127.0.0.1', resolve);
  });
  const { port } = runner.address() as AddressInfo;
  edge = await startEdge({
    runnerUrl: `http://127.0.0.1:${port}`,
    files: { '/page.html': '<p>page' },
    drainTimeoutMs: 0,
    // What is incomplete is given up soon.
    limits: { headersTimeoutMs: 200, idleTimeoutMs: 200 },
  });
});

afterAll(async () => {
  await edge.close();
  runner.close();
});

/** Mulberry32: a run that fails can be repeated. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const SEEDS = [
  `GET /page.html?a=b HTTP/1.1\r\nHost: ${HOST}\r\nAccept: */*\r\n\r\n`,
  `POST /f HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 5\r\n\r\nhello`,
  `POST /f HTTP/1.1\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n`,
  `PUT /f HTTP/1.1\r\nHost: ${HOST}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello`,
  `GET /chat HTTP/1.1\r\nHost: ${HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbytes`,
  `GET http://${HOST}/f HTTP/1.0\r\nHost: ${HOST}\r\nConnection: keep-alive\r\nRange: bytes=0-1\r\n\r\n`,
];
const PIECES = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  '\0',
  ':',
  ',',
  ';',
  '/',
  '//',
  '%',
  '%00',
  '\x80',
  '0',
  '-1',
  'chunked',
];

function mutate(text: string, random: (below: number) => number): string {
  let mutated = text;
  for (let count = 1 + random(3); count > 0; count -= 1) {
    const at = random(mutated.length);
    const piece = PIECES[random(PIECES.length)] ?? '';
    const removed = random(3);
    mutated = mutated.slice(0, at) + (random(3) === 0 ? '' : piece) + mutated.slice(at + removed);
  }
  return mutated;
}

async function sendAndJudge(bytes: string): Promise<void> {
  const client = await openRaw(edge.port);
  client.send(bytes);
  const said = (await client.ended()).toString('latin1');
  client.close();
  // Every answer in full, one after the other; a connection may also end without any.
  if (said !== '') expect(said, JSON.stringify(bytes)).toMatch(/^HTTP\/1\.1 [1-5]\d\d [^\r\n]+\r\n/);
  for (const [status] of said.matchAll(/(?<=HTTP\/1\.1 )\d\d\d/g)) {
    expect(Number(status), JSON.stringify(bytes)).not.toBe(500);
  }
}

test('requests changed at random are answered or their connection ends, and nothing breaks', async () => {
  const random = randomFrom(SEED);
  for (let round = 0; round < ROUNDS; round += 1) {
    const batch = Array.from({ length: AT_ONCE }, () => mutate(SEEDS[random(SEEDS.length)] ?? '', random));
    await Promise.all(batch.map(sendAndJudge));
  }
  const client = await openRaw(edge.port);
  client.send(SEEDS[0] ?? '');
  expect((await client.response()).status).toBe(200);
  client.close();
});
