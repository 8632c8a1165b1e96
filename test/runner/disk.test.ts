import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { createRegistry } from '../../core/metrics.ts';
import { silentLogger } from '../../core/log.ts';
import { CodeFiles } from '../../runner/code-files.ts';
import { createFunctionMetrics } from '../../runner/function-metrics.ts';
import type { FunctionTarget } from '../../runner/read-call.ts';
import { createDirectoryStore } from '../../store/directory-store.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { manualClock } from '../support/manual-clock.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { waitUntil } from '../support/wait-until.ts';
import { closeRunners, deploy, startTestRunner } from './start-test-runner.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await closeRunners();
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** A store that counts what is read from it. */
function counting(store: ObjectStore, reads: string[]): ObjectStore {
  return { ...store, read: (key, options) => (reads.push(key), store.read(key, options)) };
}

const HELLO = 'export default { fetch: () => new Response("hello") };';

test('code is read from the store once, then from disk, checked by its hash, over restarts too', async () => {
  const reads: string[] = [];
  const one = await startTestRunner({ store: (store) => counting(store, reads) });
  const { headers, key, hash } = await deploy(one, HELLO);
  const withHash = { ...headers, 'x-origan-function-hash': hash };
  expect(await (await fetch(one.url, { headers: withHash })).text()).toBe('hello');
  const copy = join(one.workersPath, 'proj1', 'dep1', hash, 'function.js');
  await waitUntil(() => existsSync(copy));
  expect(await readFile(copy, 'utf8')).toBe(HELLO);
  await fetch(one.url, { headers: withHash });
  expect(reads.filter((read) => read === key)).toHaveLength(1);
  const two = await startTestRunner({
    store: () => counting(one.store, reads),
    env: { WORKERS_PATH: one.workersPath },
  });
  expect(await (await fetch(two.url, { headers: withHash })).text()).toBe('hello');
  expect(reads.filter((read) => read === key)).toHaveLength(1);
});

test('a damaged copy is replaced, a wrong object in the store is never run', async () => {
  const runner = await startTestRunner();
  const { headers, hash } = await deploy(runner, HELLO);
  const evil = 'export default { fetch: () => new Response("evil") };';
  const copy = join(runner.workersPath, 'proj1', 'dep1', hash);
  await mkdir(copy, { recursive: true });
  await writeFile(join(copy, 'function.js'), evil);
  const withHash = { ...headers, 'x-origan-function-hash': hash };
  expect(await (await fetch(runner.url, { headers: withHash })).text()).toBe('hello');
  await waitUntil(async () => (await readIfThere(join(copy, 'function.js'))) === HELLO);
  const other = { ...headers, 'x-origan-function-hash': 'f'.repeat(64) };
  const refused = await fetch(runner.url, { headers: other });
  expect([refused.status, await refused.text()]).toEqual([500, 'Failed to run worker']);
  expect(existsSync(join(runner.workersPath, 'proj1', 'dep1', 'f'.repeat(64)))).toBe(false);
});

test('a disk that cannot be written costs reads, not answers', async () => {
  const runner = await startTestRunner();
  const { headers } = await deploy(runner, HELLO);
  await writeFile(join(runner.workersPath, 'proj1'), 'a file where a directory should be');
  expect(await (await fetch(runner.url, { headers })).text()).toBe('hello');
});

async function readIfThere(path: string): Promise<string | undefined> {
  return existsSync(path) ? readFile(path, 'utf8') : undefined;
}

async function openFiles(options: { maxBytes?: number; root?: string; reads?: string[] } = {}): Promise<{
  files: CodeFiles;
  store: ObjectStore;
  root: string;
  clock: ReturnType<typeof manualClock>;
  put: (name: string, code: string) => Promise<FunctionTarget>;
}> {
  const directory = await makeTempDir('code');
  cleanups.push(() => directory.remove());
  const store = createDirectoryStore(join(directory.path, 'bucket'), silentLogger());
  const root = options.root ?? join(directory.path, 'workers');
  const clock = manualClock(Date.now());
  const files = new CodeFiles(
    { root, maxBytes: options.maxBytes ?? 1e9, idleMs: 1_800_000, maxCodeBytes: 1e6 },
    {
      store: counting(store, options.reads ?? []),
      metrics: createFunctionMetrics(createRegistry()),
      log: silentLogger(),
      clock,
    },
  );
  await files.open();
  const put = async (name: string, code: string): Promise<FunctionTarget> => {
    const functionKey = `deployments/${name}/f.js`;
    await store.put(functionKey, Buffer.from(code));
    return { projectId: 'p', deploymentId: name, functionKey, functionHash: undefined, metadata: undefined };
  };
  return { files, store, root, clock, put };
}

test('copies unused for half an hour go, those in use stay', async () => {
  const { files, root, clock, put } = await openFiles();
  const [old, used] = [await put('old', 'old'), await put('used', 'used')];
  await files.read(old, undefined);
  await files.read(used, undefined);
  await files.settle();
  clock.advance(1_700_000);
  files.touch('p', 'used');
  clock.advance(200_000);
  await files.sweep();
  expect(await readdir(join(root, 'p'))).toEqual(['used']);
});

test('copies stay within their bytes, the longest unused go first', async () => {
  const { files, root, clock, put } = await openFiles({ maxBytes: 3200 });
  for (const name of ['a', 'b', 'c', 'd']) {
    await files.read(await put(name, name.repeat(1000)), undefined);
    await files.settle();
    clock.advance(1000);
    files.touch('p', 'a');
  }
  expect((await readdir(join(root, 'p'))).toSorted()).toEqual(['a', 'c', 'd']);
});

test('what an earlier run left is taken up: counted, aged, drafts removed, foreign files untouched', async () => {
  const first = await openFiles();
  const target = await first.put('kept', 'kept');
  await first.files.read(target, undefined);
  await first.files.settle();
  await mkdir(join(first.root, '.draft-0b7e3c1e-0000-4000-8000-000000000000'));
  await writeFile(join(first.root, 'notes.txt'), 'mine');
  await mkdir(join(first.root, 'p', 'kept', 'not-a-copy'));
  const [copy = ''] = (await readdir(join(first.root, 'p', 'kept'))).filter((name) =>
    name.startsWith('key-'),
  );
  const longAgo = new Date(Date.now() - 3_600_000);
  await utimes(join(first.root, 'p', 'kept', copy), longAgo, longAgo);
  const second = await openFiles({ root: first.root });
  await second.files.sweep();
  expect((await readdir(first.root)).toSorted()).toEqual(['notes.txt', 'p']);
  expect(await readdir(join(first.root, 'p', 'kept'))).toEqual(['not-a-copy']);
});

test('callers that come at once share one read', async () => {
  const reads: string[] = [];
  const { files, put } = await openFiles({ reads });
  const target = await put('shared', 'shared');
  const codes = await Promise.all(Array.from({ length: 20 }, () => files.read(target, undefined)));
  expect(new Set(codes.map(({ text }) => text))).toEqual(new Set(['shared']));
  expect(reads).toHaveLength(1);
});

test('code past the limit is refused', async () => {
  const { files, put } = await openFiles();
  await expect(files.read(await put('large', 'x'.repeat(1_000_001)), undefined)).rejects.toThrow();
});
