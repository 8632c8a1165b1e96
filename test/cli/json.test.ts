import { afterEach, beforeEach, expect, test } from 'vitest';
import { adminPaths } from '../../contracts/control-api-admin.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { talkTo } from '../support/control-api.ts';
import { origan } from '../support/run-cli.ts';
import { siteFolder } from '../support/site-folder.ts';
import { ADMIN_TOKEN, startSystem, type System } from '../support/system.ts';
import { visit } from '../support/visit.ts';
import { waitUntil } from '../support/wait-until.ts';

// What a script gets of every command that succeeds: one line of JSON (of `logs` one for each line), and no message.

let server: CacheServer;
let system: System;

beforeEach(async () => {
  server = await startCacheServer();
  system = await startSystem({ env: { CACHE_URL: server.url, CACHE_TIMEOUT_MS: '5000' } });
});
afterEach(async () => {
  await system.close();
  await server.close();
});

const files = {
  'index.html': '<p>page</p>',
  'functions/api/hello.js':
    'export default { fetch() { console.log("hello"); return new Response("ok"); } };',
};

async function json(args: readonly string[], cwd?: string): Promise<Record<string, unknown>[]> {
  const { code, out, err } = await origan([...args, '--json'], {
    env: {
      ORIGAN_API_URL: system.controlApi.url,
      ORIGAN_TOKEN: ADMIN_TOKEN,
      CACHE_URL: server.url,
      BROWSER: 'false',
    },
    ...(cwd === undefined ? {} : { cwd }),
  });
  expect({ args, code, out, err }).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/\n$/) });
  return out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('every command speaks JSON when it succeeds', async () => {
  const cwd = await siteFolder(files);
  const one = async (...args: string[]): Promise<Record<string, unknown>> => {
    const lines = await json(args, cwd);
    expect([args, lines.length]).toEqual([args, 1]);
    return lines[0] ?? {};
  };
  expect(await one('login')).toMatchObject({ apiUrl: system.controlApi.url, isAdmin: true });
  expect(await one('whoami')).toMatchObject({ isAdmin: true });
  expect(await one('logout')).toMatchObject({ wasKept: false });
  expect(await one('init', '-p', 'scripted', '-d', 'scripted.test')).toMatchObject({
    project: { name: 'scripted' },
  });
  const first = (await one('deploy')) as { result: { deployment: { id: string } } };
  const { id } = first.result.deployment;
  const second = (await one('deploy', '--env', 'A=1')) as typeof first;
  expect(await one('deployments')).toMatchObject({ deployments: [{ isLive: true }, { id }] });
  expect(await one('rollback')).toMatchObject({ deployment: { id } });
  const promoted = { deployment: { id: second.result.deployment.id } };
  expect(await one('promote', second.result.deployment.id.slice(0, 8))).toMatchObject(promoted);
  expect(await one('domains', 'add', 'more.test')).toMatchObject({ host: 'more.test' });
  expect(await one('domains', 'ls')).toMatchObject({ domains: expect.any(Array) });
  expect(await one('domains', 'rm', 'more.test')).toMatchObject({ kind: 'domain', id: 'more.test' });
  expect(await one('tracks', 'ls')).toMatchObject({ tracks: [{ name: 'production' }] });
  expect(await one('tracks', 'keep', 'production', '3')).toMatchObject({ retention: 3 });
  expect(await one('env', 'set', 'B=2')).toMatchObject({ names: ['A', 'B'] });
  expect(await one('env', 'ls')).toMatchObject({ names: ['A', 'B'] });
  expect(await one('env', 'rm', 'B')).toMatchObject({ names: ['A'] });
  expect(await one('open')).toMatchObject({ url: expect.stringContaining('scripted.test') });
  await logs(cwd);
  const host = 'scripted.test';
  const admin = system.gateways[0]?.adminUrl ?? '';
  expect(await one('explain', `http://${host}/`, '-g', admin)).toMatchObject({
    host,
    route: { kind: 'file' },
  });
  expect(await one('doctor', '-g', admin)).toMatchObject({ findings: expect.any(Array) });
  expect(await one('cache', 'stats')).toMatchObject({ state: 'up' });
  expect(await one('cache', 'get', `domain:${host}`)).toMatchObject({ kind: 'hit' });
  expect(await one('cache', 'keys', 'domain:*')).toMatchObject({
    keys: expect.arrayContaining([`domain:${host}`]),
  });
  expect(await one('cache', 'warm', host)).toEqual({ asked: 1, inCache: 1 });
  expect(await one('cache', 'sweep')).toMatchObject({ orphans: [], removed: 0 });
  expect(await one('cache', 'purge', '--all')).toMatchObject({ isComplete: true });
});

async function logs(cwd: string): Promise<void> {
  const api = talkTo(system.controlApi.url);
  const { body } = await api.send('POST', adminPaths.builds('scripted'), {}, ADMIN_TOKEN);
  const entries = [{ timestamp: '2026-01-01T00:00:00.000Z', level: 'info', message: 'built' }];
  await api.send('POST', adminPaths.buildLogs('scripted', body.id), { entries }, ADMIN_TOKEN);
  await visit(system.gateways[0]?.port ?? 0, 'scripted.test', '/api/hello');
  await waitUntil(async () => (await json(['logs'], cwd)).length === 2);
  expect(await json(['logs'], cwd)).toMatchObject([
    { source: 'build', message: 'built' },
    { source: 'function', message: 'hello', route: '/api/hello' },
  ]);
}
