import { mkdir, writeFile } from 'node:fs/promises';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { existsSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { silentLogger } from '../../core/log.ts';
import { createDirectoryStore } from '../../store/directory-store.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { childPids, isAlive } from '../support/child-pids.ts';
import { makeCertificates } from '../support/make-certificates.ts';
import { startNode, type StartedProcess } from '../support/process.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { waitUntil } from '../support/wait-until.ts';
import { closeRunners, deploy, startTestRunner } from './start-test-runner.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await closeRunners();
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const SLOW = `export default { async fetch(request) {
  if (!request.url.endsWith('/slow')) return new Response('quick');
  console.log('slow begins');
  await new Promise((resolve) => setTimeout(resolve, 500));
  return new Response('slow');
} };`;

type Program = { started: StartedProcess; url: string; store: ObjectStore };

/** The runner as a program of its own. */
async function startProgram(env: Record<string, string> = {}): Promise<Program> {
  const directory = await makeTempDir('runner-program');
  const store = createDirectoryStore(join(directory.path, 'bucket'), silentLogger());
  await mkdir(join(directory.path, 'bucket'));
  const started = startNode('runner/main.ts', {
    env: {
      RUNNER_PORT: '0',
      RUNNER_HOST: '127.0.0.1',
      WORKERS_PATH: join(directory.path, 'workers'),
      BUCKET_URL: join(directory.path, 'bucket'),
      ...env,
    },
  });
  cleanups.push(async () => {
    await started.stop('SIGKILL');
    await directory.remove();
  });
  const [, port] = await started.waitFor(/"port":(\d+)/);
  return { started, url: `http://127.0.0.1:${port}`, store };
}

function processesOf({ started }: Program): number[] {
  return childPids(started.pid, 'workerd');
}

/** The directory with the sockets, as a process's command line names it. */
function privateDirectory(pid: number): string {
  const path = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    .split('\0')
    .find((word) => word.endsWith('config.capnp'));
  return dirname(path ?? '');
}

test('no function process and no file outlives a runner that is killed', async () => {
  const program = await startProgram();
  const { headers } = await deploy(program, SLOW);
  expect(await (await fetch(program.url, { headers })).text()).toBe('quick');
  const pids = processesOf(program);
  expect(pids.length).toBeGreaterThan(1);
  const directory = privateDirectory(pids[0] ?? 0);
  expect(existsSync(directory)).toBe(true);
  process.kill(program.started.pid, 'SIGKILL');
  await program.started.exited;
  await waitUntil(() => !pids.some(isAlive) && !existsSync(directory));
});

test('a guardian that is killed is replaced', async () => {
  const program = await startProgram();
  const [guardian = 0] = childPids(program.started.pid, 'guardian');
  process.kill(guardian, 'SIGKILL');
  await waitUntil(() =>
    childPids(program.started.pid, 'guardian').some((pid) => pid !== guardian && isAlive(pid)),
  );
  const pids = processesOf(program);
  process.kill(program.started.pid, 'SIGKILL');
  await program.started.exited;
  await waitUntil(() => !pids.some(isAlive));
});

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s lets calls finish, takes no more, and leaves nothing behind',
  async (signal) => {
    const program = await startProgram();
    const { headers } = await deploy(program, SLOW);
    expect(await (await fetch(program.url, { headers })).text()).toBe('quick');
    const pids = processesOf(program);
    const directory = privateDirectory(pids[0] ?? 0);
    const slow = fetch(`${program.url}/slow`, { headers });
    await program.started.waitFor(/slow begins/);
    process.kill(program.started.pid, signal);
    await waitUntil(async () => {
      try {
        await (await fetch(program.url, { headers: { ...headers, connection: 'close' } })).text();
        return false;
      } catch {
        return true;
      }
    });
    expect(await (await slow).text()).toBe('slow');
    expect(await program.started.exited).toEqual({ code: 0, signal: null });
    expect(pids.some(isAlive)).toBe(false);
    expect(existsSync(directory)).toBe(false);
  },
);

test('a call that does not end is cut at the end of the drain', async () => {
  const program = await startProgram({ RUNNER_DRAIN_TIMEOUT_MS: '100' });
  const code = `export default { fetch() {
    console.log('endless begins');
    return new Response(new ReadableStream({ pull: () => new Promise(() => setInterval(() => {}, 1000)) }));
  } };`;
  const { headers } = await deploy(program, code);
  const reply = await fetch(program.url, { headers });
  process.kill(program.started.pid, 'SIGTERM');
  await expect(reply.text()).rejects.toThrow();
  expect(await program.started.exited).toEqual({ code: 0, signal: null });
});

test('a wrong environment is named in full, and nothing is started', async () => {
  const started = startNode('runner/main.ts', {
    env: {
      RUNNER_PORT: 'x',
      FUNCTION_MEMORY_MB: '1',
      FUNCTION_NETWORK_ALLOW: 'everything',
      ENVIRONMENT_KEY: 'short',
    },
  });
  cleanups.push(() => started.stop('SIGKILL'));
  expect(await started.exited).toEqual({ code: 1, signal: null });
  for (const name of [
    'RUNNER_PORT',
    'FUNCTION_MEMORY_MB',
    'FUNCTION_NETWORK_ALLOW',
    'ENVIRONMENT_KEY',
    'BUCKET_URL',
  ]) {
    expect(started.stderr()).toContain(name);
  }
  expect(started.stderr()).not.toContain('everything');
});

test('a port in use ends the start with one message, and leaves no process', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  cleanups.push(async () => server.close());
  await expect(startTestRunner({ env: { RUNNER_PORT: String(port) } })).rejects.toThrow('EADDRINUSE');
  expect(childPids(process.pid, 'workerd').filter(isAlive)).toEqual([]);
});

test('a directory for code that cannot be made ends the start', async () => {
  const directory = await makeTempDir('runner-file');
  cleanups.push(() => directory.remove());
  const file = join(directory.path, 'file');
  await writeFile(file, '');
  await expect(startTestRunner({ env: { WORKERS_PATH: join(file, 'workers') } })).rejects.toThrow('ENOTDIR');
});

test('a stop ends as soon as the last call does, kept-alive connections or not', async () => {
  const runner = await startTestRunner({ env: { RUNNER_DRAIN_TIMEOUT_MS: '50000' } });
  const { headers } = await deploy(runner, SLOW);
  const slow = fetch(`${runner.url}/slow`, { headers });
  await waitUntil(() => runner.logs().some(({ output }) => output === 'slow begins'));
  const closing = runner.close();
  await expect(fetch(`${runner.url}/health`, { headers: { connection: 'close' } })).rejects.toThrow();
  expect(await (await slow).text()).toBe('slow');
  await closing;
  expect(childPids(process.pid, 'workerd').filter(isAlive)).toEqual([]);
});

test('functions trust what Node trusts, on machines without certificates of their own too', async () => {
  const directory = await makeTempDir('certificates');
  cleanups.push(() => directory.remove());
  const { ca, cert, key } = makeCertificates(directory.path, 'localhost');
  const server = createHttpsServer(
    { cert: readFileSync(cert), key: readFileSync(key) },
    (_request, response) => {
      response.end('over TLS');
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const code = `export default { fetch: () => fetch('https://localhost:${port}/') };`;
  const env = {
    FUNCTION_NETWORK_ALLOW: 'public,private',
    SSL_CERT_FILE: '/nonexistent',
    SSL_CERT_DIR: '/nonexistent',
  };
  const trusting = await startProgram({ ...env, NODE_EXTRA_CA_CERTS: ca });
  const { headers } = await deploy(trusting, code);
  expect(await (await fetch(trusting.url, { headers })).text()).toBe('over TLS');
  const strict = await startProgram(env);
  await deploy(strict, code);
  expect((await fetch(strict.url, { headers })).status).toBe(500);
});
