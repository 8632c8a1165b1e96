import { afterEach, beforeAll, afterAll, describe, expect, test } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { defaultCacheConfig, parseCacheUrl } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import { openCache, type CacheParts } from '../../cache/open-cache.ts';
import type { FunctionLogLine } from '../../contracts/function-logs.ts';
import { silentLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { LINE_RATE } from '../../runner/function-logs.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { connectCache } from '../support/control-api.ts';
import { waitUntil } from '../support/wait-until.ts';
import { closeRunners, deploy, startTestRunner, type TestRunner } from './start-test-runner.ts';

let server: CacheServer;

beforeAll(async () => {
  server = await startCacheServer();
});
afterAll(() => server.close());
afterEach(closeRunners);

const openers = {
  memory: () => openCache(defaultCacheConfig(), parts()),
  'a cache server': () => openOn(server),
};
const parts = (): CacheParts => ({ log: silentLogger(), registry: createRegistry() });

/** The runner's cache: whoever starts the runner connects it. */
function openOn({ url }: CacheServer): Cache {
  const target = parseCacheUrl(url);
  if (target === undefined) throw new Error('the cache server has no usable URL');
  // Lines that a busy machine loses to a short deadline are not what is tested here.
  return openCache(defaultCacheConfig({ target, timeoutMs: 5000 }), parts());
}

async function linesOf(cache: Cache, deploymentId: string): Promise<FunctionLogLine[]> {
  const lines: FunctionLogLine[] = [];
  for (let after = 0; ;) {
    const page = await cache.readList(keys.functionLogs(deploymentId), after);
    if (page.kind === 'error') throw page.cause;
    if (page.items.length === 0) return lines;
    lines.push(...page.items);
    after = page.next;
  }
}

/** The lines, once there are so many. */
async function waitForLines(cache: Cache, deploymentId: string, count: number): Promise<FunctionLogLine[]> {
  await waitUntil(async () => (await linesOf(cache, deploymentId)).length >= count);
  return linesOf(cache, deploymentId);
}

type Call = { headers: Record<string, string>; path?: string; requestId?: string };

async function call(runner: TestRunner, { headers, path = '/', requestId }: Call): Promise<number> {
  const id: Record<string, string> = requestId === undefined ? {} : { 'x-origan-request-id': requestId };
  const reply = await fetch(`${runner.url}${path}`, { headers: { ...headers, ...id } });
  await reply.text().catch(() => undefined);
  return reply.status;
}

const short = ({ level, message }: FunctionLogLine): string => `${level} ${message.split('\n', 1)[0]}`;

describe.each(['memory', 'a cache server'] as const)('lines of functions, kept in %s', (kind) => {
  test('every way to print: level, time, request, function', async () => {
    const cache = openers[kind]();
    const runner = await startTestRunner({ cache });
    const code = `export default { async fetch() {
      console.log('%s is %d', 'a', 3, { b: 1 });
      console.debug('d'); console.info({ x: 1 }); console.warn('100%'); console.error(new Error('printed'));
      console.dir(['dir']); console.assert(1 > 2, 'sums'); console.log(); console.trace('here');
      return new Response('ok');
    } };`;
    const { headers } = await deploy(runner, code, {
      deploymentId: `all-${kind.length}`,
      path: 'api/ü x.js',
    });
    const startedMs = Date.now();
    expect(await call(runner, { headers, requestId: 'request-1' })).toBe(200);
    const lines = await waitForLines(cache, `all-${kind.length}`, 9);
    expect(lines.map(short)).toEqual([
      'info a is 3 { b: 1 }',
      'debug d',
      'info { x: 1 }',
      'warn 100%',
      'error Error: printed',
      "info [ 'dir' ]",
      'error Assertion failed sums',
      'info ',
      'debug Trace: here ',
    ]);
    expect(lines[4]?.message).toContain('function.js:3:');
    for (const line of lines) {
      expect(line).toMatchObject({ source: 'function', requestId: 'request-1', path: 'api/ü x.js' });
      expect(line.timeMs).toBeGreaterThanOrEqual(startedMs);
      expect(line.message).not.toMatch(/entry\.js|console\.js/);
    }
  });

  test('lines of requests that run at the same time carry each its own id', async () => {
    const cache = openers[kind]();
    const runner = await startTestRunner({ cache });
    const code = `export default { async fetch(request) {
      const own = request.headers.get('x-origan-request-id');
      for (let n = 0; n < 5; n += 1) { await new Promise((resolve) => setTimeout(resolve, 1)); console.log(own); }
      return new Response('ok');
    } };`;
    const deploymentId = `parallel-${kind.length}`;
    const { headers } = await deploy(runner, code, { deploymentId });
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => call(runner, { headers, requestId: `r${index}` })),
    );
    const lines = await waitForLines(cache, deploymentId, 100);
    expect(lines).toHaveLength(100);
    expect(lines.every(({ message, requestId }) => message === requestId)).toBe(true);
  });

  test('what nobody catches is there, once, with its stack and its request', async () => {
    const cache = openers[kind]();
    const runner = await startTestRunner({ cache });
    const code = `export default { async fetch(request, env, context) {
      switch (new URL(request.url).pathname) {
        case '/throw': throw new TypeError('thrown');
        case '/reject': Promise.reject(new Error('rejected')); break;
        case '/later': context.waitUntil((async () => { await 1; throw new Error('in the background'); })()); break;
        case '/timer': setTimeout(() => { throw new Error('in a timer'); }, 1); await new Promise((done) => setTimeout(done, 20));
      }
      return new Response('ok');
    } };`;
    const deploymentId = `uncaught-${kind.length}`;
    const { headers } = await deploy(runner, code, { deploymentId });
    for (const name of ['throw', 'reject', 'later', 'timer'])
      await call(runner, { headers, path: `/${name}`, requestId: name });
    const lines = await waitForLines(cache, deploymentId, 4);
    expect(lines.map((line) => [line.requestId, short(line)])).toEqual([
      ['throw', 'error Uncaught TypeError: thrown'],
      ['reject', 'error Uncaught Error: rejected'],
      ['later', 'error Uncaught Error: in the background'],
      ['timer', 'error Uncaught Error: in a timer'],
    ]);
    for (const { message } of lines) expect(message).toMatch(/function\.js:\d/);
  });

  test('a deployment’s log has its own lines only, whatever another one prints', async () => {
    const cache = openers[kind]();
    const runner = await startTestRunner({ cache });
    const victim = `victim-${kind.length}`;
    const forger = `forger-${kind.length}`;
    const path = Buffer.from(`deployments/${victim}/api/index.js`).toString('base64');
    const forged = [
      `JSON.stringify({ timestamp: 1, level: 'error', message: 'forged 1', deploymentId: '${victim}' })`,
      `'\\u001Estolen\\u001E${path}\\u001Eforged 2'`,
      `'\\n{"timestamp":1,"level":"error","message":"forged 3","deploymentId":"${victim}"}'`,
    ];
    const lies = `export default { async fetch() {
      ${forged.map((text) => `console.log(${text}); process.stdout.write(${text} + '\\n');`).join('\n')}
      return new Response('ok');
    } };`;
    const honest = 'export default { fetch() { console.log("own"); return new Response("ok"); } };';
    const other = await deploy(runner, lies, { deploymentId: forger, projectId: 'proj2' });
    const own = await deploy(runner, honest, { deploymentId: victim });
    const calls = Array.from({ length: 10 }, async () => {
      await Promise.all([call(runner, other), call(runner, own)]);
    });
    await Promise.all(calls);
    expect((await waitForLines(cache, forger, 70)).length).toBe(70);
    expect((await waitForLines(cache, victim, 10)).map(short)).toEqual(Array(10).fill('info own'));
  });

  test('a flood is bounded, says so, and costs the others nothing', async () => {
    const cache = openers[kind]();
    // It computes without a pause, on a busy machine for long; that is not what is ended here.
    const runner = await startTestRunner({ cache, env: { FUNCTION_STUCK_AFTER_MS: '120000' } });
    const loud = `loud-${kind.length}`;
    const calm = `calm-${kind.length}`;
    const code = `export default { fetch() {
      for (let n = 0; n < 100_000; n += 1) console.log('noise ' + n + 'x'.repeat(400));
      return new Response('ok');
    } };`;
    const noisy = await deploy(runner, code, { deploymentId: loud });
    const quiet = await deploy(
      runner,
      'export default { fetch(request) { console.log(request.url); return new Response("ok"); } };',
      { deploymentId: calm },
    );
    const state = { isOver: false };
    const flooding = call(runner, noisy).finally(() => {
      state.isOver = true;
    });
    const startedMs = performance.now();
    // So many that the log keeps all of them, however long the flood takes.
    const isEnough = (): boolean => answered >= 500 || (state.isOver && answered >= 20);
    let answered = 0;
    while (!isEnough()) {
      expect(await call(runner, { ...quiet, path: `/${answered}` })).toBe(200);
      answered += 1;
    }
    expect(await flooding).toBe(200);
    const kept = await waitForLines(cache, calm, answered);
    expect(kept.map(({ message }) => new URL(message).pathname)).toEqual(
      Array.from({ length: answered }, (_, index) => `/${index}`),
    );
    // Notes of the beginning of a long flood are gone with its oldest lines.
    await waitUntil(async () => missingIn(await linesOf(cache, loud)) > 0);
    expect((await linesOf(cache, loud)).length).toBeLessThanOrEqual(2000);
    await waitUntil(async () => sum(Object.values(await countedLines(runner))) === 100_000 + answered);
    const { stored } = await countedLines(runner);
    const seconds = (performance.now() - startedMs) / 1000;
    expect(stored).toBeLessThanOrEqual(answered + LINE_RATE.atOnce + LINE_RATE.perSecond * seconds);
  });

  test('a line that is too long is cut between two characters and marked', async () => {
    const cache = openers[kind]();
    const runner = await startTestRunner({ cache });
    const deploymentId = `long-${kind.length}`;
    const code = `export default { fetch() {
      console.log('a' + 'é'.repeat(5000)); console.log('b' + '\\u0001'.repeat(9_000)); console.log('c' + '\\\\'.repeat(1_000_000));
      console.log({ text: 'd'.repeat(50_000) }); console.log('short');
      return new Response('ok');
    } };`;
    await call(runner, await deploy(runner, code, { deploymentId }));
    const lines = await waitForLines(cache, deploymentId, 5);
    expect(lines.map(({ isTruncated = false }) => isTruncated)).toEqual([true, true, true, true, false]);
    for (const { message } of lines) expect(Buffer.byteLength(message)).toBeLessThanOrEqual(4096);
    expect(lines[0]?.message).toBe(`a${'é'.repeat(2047)}`);
    expect(lines[1]?.message).toMatch(/^b\P{L}{1000,}$/u);
    expect(lines[2]?.message).toMatch(/^c\\{1000,}$/);
  });
});

/** How many lines the log itself says are missing. */
function missingIn(lines: readonly FunctionLogLine[]): number {
  const notes = lines.flatMap(({ source, message }) =>
    source === 'platform' ? [Number(/^(\d+) lines? left out/.exec(message)?.[1] ?? 0)] : [],
  );
  return sum(notes);
}

async function countedLines({
  registry,
}: TestRunner): Promise<Record<'stored' | 'limited' | 'lost', number>> {
  const text = await registry.getSingleMetricAsString('function_log_lines_total');
  const counted = (outcome: string): number =>
    Number(new RegExp(`outcome="${outcome}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
  return { stored: counted('stored'), limited: counted('limited'), lost: counted('lost') };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

test('what the platform did to a function is said in its log, and names nothing of the installation', async () => {
  const cache = openers.memory();
  const env = {
    FUNCTION_STUCK_AFTER_MS: '2000',
    // Long enough for a process to be started on a busy machine.
    FUNCTION_TIMEOUT_MS: '5000',
    FUNCTION_MAX_CALLS_PER_DEPLOYMENT: '1',
  };
  const runner = await startTestRunner({ cache, env });
  const slow = await deploy(runner, 'export default () => new Promise((done) => setTimeout(done, 60_000));', {
    deploymentId: 'slow',
  });
  const broken = await deploy(runner, 'export default { fetch() { return 1 +; } };', {
    deploymentId: 'broken',
  });
  const stuck = await deploy(runner, 'export default () => { for (;;); };', { deploymentId: 'stuck' });
  const gone = { 'x-origan-deployment-id': 'gone', 'x-origan-project-id': 'proj1' };
  const path = { 'x-origan-function-path': 'deployments/gone/a.js' };
  const [first, second] = await Promise.all([call(runner, slow), call(runner, slow), call(runner, stuck)]);
  // Whichever of the two came second.
  expect(new Set([first, second])).toEqual(new Set([500, 503]));
  await call(runner, { ...broken, requestId: 'the-request' });
  await call(runner, { headers: { ...gone, ...path } });
  const messages = async (id: string): Promise<string[]> => (await waitForLines(cache, id, 1)).map(short);
  await waitForLines(cache, 'slow', 2);
  expect(await messages('slow')).toEqual([
    'error There were too many calls at once: this one was answered 503.',
    'error The function did not answer in time.',
  ]);
  expect(await messages('gone')).toEqual(['error The function could not be loaded.']);
  expect((await linesOf(cache, 'broken'))[0]).toMatchObject({
    source: 'platform',
    requestId: 'the-request',
    path: 'api/index.js',
    message: expect.stringContaining('SyntaxError'),
  });
  expect((await messages('stuck'))[0]).toMatch(/computed for too long|did not answer in time/);
});

test('a cache that is down costs lines, never calls; the log says how many where it goes on', async () => {
  const own = await startCacheServer();
  const cache = openOn(own);
  const runner = await startTestRunner({ cache });
  const code =
    'export default { fetch(request) { console.log(new URL(request.url).pathname); return new Response("ok"); } };';
  const { headers } = await deploy(runner, code, { deploymentId: 'outage' });
  await call(runner, { headers, path: '/before' });
  await waitForLines(cache, 'outage', 1);
  const stored = await own.admin().lrange('deployment:outage:logs', 0, -1);
  await own.kill();
  for (let round = 0; round < 3; round += 1)
    expect(await call(runner, { headers, path: '/during' })).toBe(200);
  const counts = async (): Promise<string> =>
    runner.registry.getSingleMetricAsString('function_log_lines_total');
  await waitUntil(async () => (await counts()).includes('outcome="lost"} 3'));
  await own.restart();
  await waitUntil(() => cache.state() === 'up');
  await call(runner, { headers, path: '/after' });
  expect((await waitForLines(cache, 'outage', 2)).map(short)).toEqual([
    'warn 3 lines before these could not be kept: the cache was not reachable.',
    'info /after',
  ]);
  // The list that the server lost and the one that began anew have no position in common.
  const position = (text: string | undefined): number => Number(text?.split('|', 1)[0]);
  const [first] = await own.admin().lrange('deployment:outage:logs', 0, 0);
  expect(position(first)).toBeGreaterThan(position(stored.at(-1)));
  await own.close();
});

test('a cache server that hangs holds up no call', async () => {
  const own = await startCacheServer();
  const cache = openOn(own);
  const runner = await startTestRunner({ cache });
  const code = 'export default { fetch() { console.log("line"); return new Response("ok"); } };';
  const { headers } = await deploy(runner, code, { deploymentId: 'hanging' });
  await call(runner, { headers });
  own.pause();
  for (let round = 0; round < 50; round += 1) expect(await call(runner, { headers })).toBe(200);
  own.resume();
  await waitForLines(cache, 'hanging', 1);
  await own.close();
});

test('no variable is in a log unless the function prints it; a stop loses no line', async () => {
  const cache = openOn(server);
  const runner = await startTestRunner({ cache });
  const code =
    'export default { fetch(_, env) { console.log("says", Object.keys(env).length); throw new Error("x"); } };';
  const variables = { API_SECRET: 'do-not-show-me' };
  await call(runner, await deploy(runner, code, { deploymentId: 'stopped', variables }));
  await waitUntil(() => runner.logs().filter(({ msg }) => msg === 'function output').length === 2);
  await runner.close();
  const reader = await connectCache(server);
  const lines = await linesOf(reader, 'stopped');
  expect(lines.map(short)).toEqual(['info says 4', 'error Uncaught Error: x']);
  expect(JSON.stringify(lines)).not.toContain('do-not-show-me');
  await reader.close();
});
