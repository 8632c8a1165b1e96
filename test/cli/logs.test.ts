import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { adminPaths } from '../../contracts/control-api-admin.ts';
import type { FunctionLogEntry } from '../../contracts/function-logs.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { startChaosProxy } from '../support/chaos-proxy.ts';
import { deployFolder } from '../support/deploy-folder.ts';
import { freePort } from '../support/free-port.ts';
import { startNode, type StartedProcess } from '../support/process.ts';
import { origan, type CliRun } from '../support/run-cli.ts';
import { siteFolder } from '../support/site-folder.ts';
import { startSystem, type System } from '../support/system.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { visit } from '../support/visit.ts';
import { waitUntil } from '../support/wait-until.ts';

// Control API, runner, gateway, cache server and CLI as processes of their own.

const FUNCTION = `export default {
  fetch(request) {
    const url = new URL(request.url);
    if (url.pathname === '/api/throw') throw new RangeError('too far');
    console.log('VERSION ' + url.search.slice(1));
    if (url.searchParams.has('urgent')) console.error('urgent line');
    return new Response('ok');
  },
};`;

const site = (version: string): Record<string, string> => ({
  'index.html': `<p>${version}</p>`,
  'functions/api/[name].js': FUNCTION.replace('VERSION', version),
  'origan.json': '{"functions":"functions"}',
});

vi.setConfig({ testTimeout: 180_000 });

let server: CacheServer;
let system: System;

beforeAll(async () => {
  server = await startCacheServer();
  system = await startSystem({ env: { CACHE_URL: server.url, CACHE_TIMEOUT_MS: '5000' } });
});
afterAll(async () => {
  await system.close();
  await server.close();
});

const login = (url = system.controlApi.url): Record<string, string> => ({
  ORIGAN_API_URL: url,
  ORIGAN_TOKEN: system.token,
});
const run = (...args: string[]): Promise<CliRun> => origan(args, { env: login() });

/** `origan logs` in a process of its own. */
const start = (args: readonly string[], url?: string): StartedProcess =>
  startNode('cli/main.ts', { args: ['logs', ...args], env: login(url) });

async function show(project: string, version: string, host = `${project}.test`): Promise<string> {
  const { url: apiUrl } = system.controlApi;
  const { result } = await deployFolder({ apiUrl, token: system.token, files: site(version), host, project });
  return result.deployment.id;
}

/** Calls the function through the gateway; answers the request's id. */
async function call(host: string, path: string): Promise<string> {
  const { headers } = await visit(system.gateways[0]?.port ?? 0, host, path);
  return String(headers['x-origan-request-id']);
}

const entriesOf = (text: string): FunctionLogEntry[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as FunctionLogEntry);

async function waitForEntries(args: string[], count: number): Promise<FunctionLogEntry[]> {
  let entries: FunctionLogEntry[] = [];
  await waitUntil(async () => {
    entries = entriesOf((await run('logs', ...args, '--json')).out);
    return entries.length >= count;
  });
  return entries;
}

describe('origan logs', () => {
  test('shows what functions wrote, with level, function and request; chooses among it', async () => {
    const id = await show('shop', 'first');
    const [plain, urgent, thrown] = [
      await call('shop.test', '/api/a?1'),
      await call('shop.test', '/api/a?urgent'),
      await call('shop.test', '/api/throw'),
    ];
    const entries = await waitForEntries(['-p', 'shop'], 4);
    const common = { source: 'function', deploymentId: id, route: '/api/:name' };
    expect(entries).toMatchObject([
      { ...common, level: 'info', message: 'first 1', requestId: plain },
      { ...common, level: 'info', message: 'first urgent', requestId: urgent },
      { ...common, level: 'error', message: 'urgent line', requestId: urgent },
      {
        ...common,
        level: 'error',
        message: expect.stringMatching(/^Uncaught RangeError: too far\n {4}at .*function\.js/),
        requestId: thrown,
      },
    ]);
    const { out, err } = await run('logs', '-p', 'shop', '--level', 'error', '-n', '1');
    expect([out.split('\n')[0], err]).toEqual([
      expect.stringMatching(
        new RegExp(`^\\d{4}-[^ ]+Z error /api/:name ${thrown} Uncaught RangeError: too far$`),
      ),
      '',
    ]);
    for (const args of [
      ['--request', urgent],
      ['--deployment', id.slice(0, 8), '--request', urgent],
      ['--domain', 'SHOP.test', '--request', urgent],
      ['--since', '1h', '--request', urgent],
    ])
      expect((await waitForEntries(['-p', 'shop', ...args], 2)).map(({ message }) => message)).toEqual([
        'first urgent',
        'urgent line',
      ]);
    expect(await run('logs', '-p', 'shop', '--since', '2030-01-01')).toEqual({
      code: 0,
      out: '',
      err: 'No such lines.\n',
    });
  });

  test('puts the lines of the build before those of the functions', async () => {
    const deploymentId = await show('built', 'v');
    const api = async (method: string, path: string, body: unknown): Promise<{ id: string }> => {
      const headers = { authorization: `Bearer ${system.token}`, 'content-type': 'application/json' };
      const reply = await fetch(`${system.controlApi.url}${path}`, {
        method,
        headers,
        body: JSON.stringify(body),
      });
      return (await reply.json()) as { id: string };
    };
    const { id } = await api('POST', adminPaths.builds('built'), {});
    const timestamp = '2026-01-01T00:00:00.000Z';
    const entries = [{ timestamp, level: 'warn', message: 'compiled' }];
    await api('POST', adminPaths.buildLogs('built', id), { entries });
    await api('PATCH', adminPaths.build('built', id), { status: 'completed', deploymentId });
    await call('built.test', '/api/a?x');
    const all = await waitForEntries(['-p', 'built'], 2);
    expect(all).toMatchObject([
      { source: 'build', buildId: id, message: 'compiled' },
      { source: 'function', message: 'v x' },
    ]);
    const only = async (source: string): Promise<string[]> =>
      (await waitForEntries(['-p', 'built', '--source', source], 1)).map(({ message }) => message);
    expect([await only('build'), await only('function')]).toEqual([['compiled'], ['v x']]);
  });

  test('-f goes on with the deployment that is shown next, and ends quietly on Ctrl-C', async () => {
    await show('follow', 'old');
    await call('follow.test', '/api/a?before');
    await waitForEntries(['-p', 'follow'], 1);
    const following = start(['-f', '-p', 'follow']);
    await following.waitFor(/old before\n/);
    await call('follow.test', '/api/a?during');
    await following.waitFor(/old during\n/);
    await show('follow', 'new');
    await waitUntil(async () => {
      await call('follow.test', '/api/a?after');
      return /new after\n/.test(following.stdout());
    });
    const { code } = await following.stop('SIGINT');
    expect([code, following.stderr()]).toEqual([130, '']);
  });

  test('-f survives cut connections and a control API that is gone for a while: no line twice, none missing', async () => {
    const proxy = await startChaosProxy(system.controlApi.port);
    await show('cuts', 'line');
    await call('cuts.test', '/api/a?0');
    await waitForEntries(['-p', 'cuts'], 1);
    const following = start(['-f', '--json', '-p', 'cuts'], `http://127.0.0.1:${proxy.port}`);
    await following.waitFor(/line 0/);
    let count = 1;
    const write = async (lines: number): Promise<void> => {
      for (const end = count + lines; count < end; count += 1) await call('cuts.test', `/api/a?${count}`);
    };
    const seen = (): string[] => entriesOf(following.stdout()).map(({ message }) => message);
    for (const afterBytes of [1, 150, 400, 900, 2000]) {
      proxy.set({ kind: 'cut', afterBytes }, 3);
      await write(20);
    }
    await waitUntil(() => seen().length >= count);
    await system.controlApi.kill();
    await write(20);
    await following.waitFor(/could not be reached.*Trying again/);
    await system.controlApi.start();
    await following.waitFor(/Connected again/);
    await write(20);
    await waitUntil(() => seen().length >= count);
    expect(seen()).toEqual(Array.from({ length: count }, (_, index) => `line ${index}`));
    await following.stop('SIGINT');
    await proxy.close();
  });

  test('the lines of one project are never among those of another, and a stranger gets none', async () => {
    await show('mine', 'mine');
    await show('yours', 'yours');
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        await call('mine.test', `/api/a?${index}`);
        await call('yours.test', `/api/a?${index}`);
      }),
    );
    for (const project of ['mine', 'yours']) {
      const messages = (await waitForEntries(['-p', project], 20)).map(({ message }) => message);
      expect(messages.toSorted()).toEqual(
        Array.from({ length: 20 }, (_, index) => `${project} ${index}`).toSorted(),
      );
    }
    const stolen = await run('logs', '-p', 'mine', '--domain', 'yours.test');
    expect([stolen.code, stolen.out, stolen.err]).toEqual([
      5,
      '',
      'Error: This project shows nothing at "yours.test".\n',
    ]);
  });
});

test('npm start keeps logs without a cache server', async () => {
  const state = await makeTempDir('logs-standalone');
  const [gateway, admin, control, runner] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ]);
  const whole = startNode('standalone/main.ts', {
    env: {
      ORIGAN_STATE_DIR: state.path,
      GATEWAY_PORT: String(gateway),
      GATEWAY_ADMIN_PORT: String(admin),
      CONTROL_API_PORT: String(control),
      CONTROL_API_ADMIN_PORT: '0',
      RUNNER_PORT: String(runner),
    },
  });
  await whole.waitFor(/Ctrl-C stops everything/);
  const apiUrl = `http://127.0.0.1:${control}`;
  const env = { ORIGAN_API_URL: apiUrl, ORIGAN_STATE_DIR: state.path };
  const folder = await siteFolder(site('alone'));
  const args = ['deploy', folder, '-p', 'alone', '--create', '--domain', `alone.localhost:${gateway}`];
  expect((await startNode('cli/main.ts', { args, env }).exited).code).toBe(0);
  const following = startNode('cli/main.ts', { args: ['logs', '-f', '-p', 'alone'], env });
  await waitUntil(async () => {
    await visit(gateway, `alone.localhost:${gateway}`, '/api/a?x');
    return following.stdout().includes('alone x\n');
  });
  expect((await following.stop('SIGINT')).code).toBe(130);
  await whole.stop();
  await state.remove();
});
