import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { childPids } from '../support/child-pids.ts';
import { waitUntil } from '../support/wait-until.ts';
import { closeRunners, deploy, startTestRunner, type TestRunner } from './start-test-runner.ts';

afterEach(closeRunners);

const HELLO = 'export default { fetch: () => new Response("hello") };';
const LOOP =
  'export default { fetch(request) { if (request.url.endsWith("/loop")) for (;;); return new Response("fine"); } };';
const COUNT = 'let calls = 0; export default { fetch: () => new Response(String(++calls)) };';

const functionPids = (): number[] => childPids(process.pid, 'workerd');

async function ask(
  runner: TestRunner,
  headers: Record<string, string>,
  path = '/',
): Promise<[number, string]> {
  const reply = await fetch(`${runner.url}${path}`, { headers });
  return [reply.status, await reply.text()];
}

test("an endless loop stops nobody else's functions, ends as a 500, and the deployment works again", async () => {
  const runner = await startTestRunner({ env: { FUNCTION_STUCK_AFTER_MS: '2000' } });
  const stuck = await deploy(runner, LOOP, { deploymentId: 'stuck' });
  const calm = await deploy(runner, HELLO, { deploymentId: 'calm' });
  expect(await ask(runner, stuck.headers)).toEqual([200, 'fine']);
  const state = { isOver: false };
  const looping = fetch(`${runner.url}/loop`, { headers: stuck.headers }).finally(() => {
    state.isOver = true;
  });
  let meanwhile = 0;
  while (!state.isOver) {
    expect(await ask(runner, calm.headers)).toEqual([200, 'hello']);
    meanwhile += 1;
  }
  const reply = await looping;
  expect([reply.status, await reply.text()]).toEqual([500, 'Failed to run worker']);
  expect(reply.headers.get('x-origan-runner-error')).toBe('timeout');
  expect(meanwhile).toBeGreaterThan(10);
  expect(await ask(runner, stuck.headers)).toEqual([200, 'fine']);
});

test('a loop at the top level and one in a background task are ended too', async () => {
  const runner = await startTestRunner({ env: { FUNCTION_STUCK_AFTER_MS: '2000' } });
  const top = await deploy(runner, `for (;;); ${HELLO}`, { deploymentId: 'top' });
  expect(await ask(runner, top.headers)).toEqual([500, 'Failed to run worker']);
  const code = `export default { fetch(request, env, context) {
    context.waitUntil(new Promise((resolve) => setTimeout(resolve, 1)).then(() => { for (;;); }));
    return new Response('answered');
  } };`;
  const background = await deploy(runner, code, { deploymentId: 'background' });
  expect(await ask(runner, background.headers)).toEqual([200, 'answered']);
  const endsOf = async (): Promise<string> =>
    runner.registry.getSingleMetricAsString('function_process_ends_total');
  await waitUntil(async () => (await endsOf()).includes('reason="stuck"} 2'));
});

test('a function that never answers is given up, and its process goes on', async () => {
  // Long enough for a busy machine to start it, and to answer the second call.
  const runner = await startTestRunner({ env: { FUNCTION_TIMEOUT_MS: '3000' } });
  const code = `let calls = 0; export default { async fetch(request) {
    calls += 1;
    if (request.url.endsWith('/wait')) for (;;) await new Promise((resolve) => setTimeout(resolve, 1000));
    return new Response(String(calls));
  } };`;
  const { headers } = await deploy(runner, code, { deploymentId: 'waits' });
  expect(await ask(runner, headers, '/wait')).toEqual([500, 'Failed to run worker']);
  expect(await ask(runner, headers)).toEqual([200, '2']);
});

test.each([
  ['the heap', 'const kept = []; for (;;) kept.push(new Array(10_000).fill(kept.length));'],
  ['buffers', 'const kept = []; for (;;) kept.push(new Uint8Array(8_000_000).fill(1));'],
])('a function that fills %s fails by itself; others and its next call are well', async (_name, greedy) => {
  const runner = await startTestRunner({ env: { FUNCTION_MEMORY_MB: '64' } });
  const code = `export default { fetch(request) { if (request.url.endsWith('/fill')) { ${greedy} } return new Response('fine'); } };`;
  const hungry = await deploy(runner, code, { deploymentId: 'hungry' });
  const calm = await deploy(runner, COUNT, { deploymentId: 'calm' });
  expect(await ask(runner, calm.headers)).toEqual([200, '1']);
  expect(await ask(runner, hungry.headers, '/fill')).toEqual([500, 'Failed to run worker']);
  expect(await ask(runner, hungry.headers)).toEqual([200, 'fine']);
  expect(await ask(runner, calm.headers)).toEqual([200, '2']);
});

test('a process that is killed from outside fails its calls and is replaced at the next', async () => {
  const runner = await startTestRunner();
  const code = `let calls = 0; export default { async fetch(request) {
    calls += 1;
    if (request.url.endsWith('/wait')) { console.log('waiting'); await new Promise(() => setInterval(() => {}, 1000)); }
    return new Response(String(calls));
  } };`;
  const { headers } = await deploy(runner, code, { deploymentId: 'killed' });
  const before = new Set(functionPids());
  expect(await ask(runner, headers)).toEqual([200, '1']);
  const waiting = ask(runner, headers, '/wait');
  await waitUntil(() => runner.logs().some(({ output }) => output === 'waiting'));
  for (const pid of functionPids()) if (before.has(pid)) process.kill(pid, 'SIGKILL');
  expect(await waiting).toEqual([500, 'Failed to run worker']);
  expect(await ask(runner, headers)).toEqual([200, '1']);
});

test('a hundred deployments share a bounded number of processes, and all of them answer', async () => {
  const runner = await startTestRunner({ env: { RUNNER_MAX_PROCESSES: '6', RUNNER_SPARE_PROCESSES: '2' } });
  const owner = 'export default { fetch: (request, env) => new Response(env.ORIGAN_DEPLOYMENT_ID) };';
  for (let index = 0; index < 100; index += 1) {
    const deploymentId = `many-${index}`;
    const { headers } = await deploy(runner, owner, { deploymentId });
    expect(await ask(runner, headers)).toEqual([200, deploymentId]);
    // One that was told to end needs a moment of the machine's for that.
    await waitUntil(() => functionPids().length <= 6);
  }
  const again = await deploy(runner, owner, { deploymentId: 'many-0' });
  expect(await ask(runner, again.headers)).toEqual([200, 'many-0']);
});

test('when every process has calls under way a new deployment is told to come back', async () => {
  const runner = await startTestRunner({ env: { RUNNER_MAX_PROCESSES: '2', RUNNER_SPARE_PROCESSES: '0' } });
  const code = `export default { fetch(request) {
    if (!request.url.endsWith('/hold')) return new Response('free');
    return new Response(new ReadableStream({ pull: () => new Promise(() => setInterval(() => {}, 1000)) }));
  } };`;
  const holders: AbortController[] = [];
  for (const deploymentId of ['hold-1', 'hold-2']) {
    const { headers } = await deploy(runner, code, { deploymentId });
    const controller = new AbortController();
    holders.push(controller);
    expect((await fetch(`${runner.url}/hold`, { headers, signal: controller.signal })).status).toBe(200);
  }
  const late = await deploy(runner, code, { deploymentId: 'late' });
  const refused = await fetch(runner.url, { headers: late.headers });
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(refused.headers.get('x-origan-runner-error')).toBe('overloaded');
  await refused.text();
  holders[0]?.abort();
  await waitUntil(async () => (await ask(runner, late.headers))[0] === 200);
});

test('calls past the limit of a deployment are told to come back, those of others are not', async () => {
  const runner = await startTestRunner({ env: { FUNCTION_MAX_CALLS_PER_DEPLOYMENT: '2' } });
  const code = `export default { fetch(request) {
    if (!request.url.endsWith('/hold')) return new Response('free');
    return new Response(new ReadableStream({ pull: () => new Promise(() => setInterval(() => {}, 1000)) }));
  } };`;
  const busy = await deploy(runner, code, { deploymentId: 'busy' });
  const other = await deploy(runner, code, { deploymentId: 'other' });
  const controller = new AbortController();
  const { signal } = controller;
  for (let round = 0; round < 2; round += 1)
    await fetch(`${runner.url}/hold`, { headers: busy.headers, signal });
  expect(await ask(runner, busy.headers)).toEqual([503, 'Too many calls']);
  expect(await ask(runner, other.headers)).toEqual([200, 'free']);
  controller.abort();
  await waitUntil(async () => (await ask(runner, busy.headers))[0] === 200);
});

test('thousands of calls leave the memory of the function process where it was', async () => {
  const runner = await startTestRunner({ env: { RUNNER_SPARE_PROCESSES: '0' } });
  const { headers } = await deploy(runner, COUNT, { deploymentId: 'steady' });
  const call = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done += 50) {
      await Promise.all(Array.from({ length: 50 }, () => ask(runner, headers)));
    }
  };
  const anonymousKb = (): number => {
    const [pid] = functionPids();
    return Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  };
  await call(1000);
  const early = anonymousKb();
  await call(4000);
  // A fresh isolate for each call would be about 8 GB here. About 12 KB a call wait outside the heap for a collection.
  expect(anonymousKb() - early).toBeLessThan(64 * 1024);
  expect((await ask(runner, headers))[1]).toBe('5001');
});

test('an idle process is stopped, and its deployment starts again when it is called', async () => {
  const runner = await startTestRunner({
    env: { RUNNER_PROCESS_IDLE_MS: '1000', FUNCTION_STUCK_AFTER_MS: '4000', RUNNER_SPARE_PROCESSES: '0' },
  });
  const { headers } = await deploy(runner, COUNT, { deploymentId: 'idle' });
  expect(await ask(runner, headers)).toEqual([200, '1']);
  await waitUntil(() => functionPids().length === 0);
  expect(await ask(runner, headers)).toEqual([200, '1']);
});

test('a deployment that ends one process after another is held back, and others are not', async () => {
  const runner = await startTestRunner({ env: { FUNCTION_MEMORY_MB: '64' } });
  const code =
    'export default { fetch() { const kept = []; for (;;) kept.push(new Array(10_000).fill(kept.length)); } };';
  const crashing = await deploy(runner, code, { deploymentId: 'crashing' });
  const calm = await deploy(runner, HELLO, { deploymentId: 'calm' });
  for (let round = 0; round < 12; round += 1) {
    expect(await ask(runner, crashing.headers)).toEqual([500, 'Failed to run worker']);
  }
  const ends = await runner.registry.getSingleMetricAsString('function_process_ends_total');
  // Whichever limit it meets first: the heap's own, or the watch over the process.
  const counts = [...ends.matchAll(/reason="(?:crashed|memory)"\} (\d+)/g)].map(([, count]) => Number(count));
  // An end that is still being reported when the next call comes lets that one through.
  expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThan(8);
  expect(JSON.stringify(runner.logs())).toContain('held back for a while');
  expect(await ask(runner, calm.headers)).toEqual([200, 'hello']);
});
