import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Explanation } from '../../contracts/explanation.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { origan, type CliRun } from '../support/run-cli.ts';
import { REPOSITORY } from '../support/process.ts';
import { startSystem, type System } from '../support/system.ts';
import { visit } from '../support/visit.ts';

const HOST = 'roastery.test';

let cacheServer: CacheServer;
let system: System;

beforeAll(async () => {
  cacheServer = await startCacheServer();
  system = await startSystem({ env: { CACHE_URL: cacheServer.url } });
  const deployed = await run(['deploy', `${REPOSITORY}examples`, '--create', '-p', 'roastery', '-d', HOST]);
  expect([deployed.code, deployed.out]).toEqual([0, expect.stringContaining('live on 1 of 1 gateway after')]);
});

afterAll(async () => {
  await system.close();
  await cacheServer.close();
});

const adminUrl = (): string => system.gateways[0]?.adminUrl ?? '';
const gatewayPort = (): number => system.gateways[0]?.port ?? 0;

function run(args: readonly string[], env: Record<string, string> = {}): Promise<CliRun> {
  return origan(args, {
    env: {
      ORIGAN_API_URL: system.controlApi.url,
      ORIGAN_TOKEN: system.token,
      CACHE_URL: cacheServer.url,
      ...env,
    },
  });
}

async function explain(path: string, ...more: string[]): Promise<Explanation> {
  const { code, out } = await run(['explain', `http://${HOST}${path}`, '-g', adminUrl(), '--json', ...more]);
  expect(code).toBe(0);
  return JSON.parse(out) as Explanation;
}

describe('origan explain', () => {
  test.each([
    ['/', { kind: 'file', status: 200, urlPath: '/index.html', isFallback: false }],
    ['/coffees/guji', { kind: 'file', urlPath: '/coffees/guji.html' }],
    ['/coffees', { kind: 'redirect', status: 308, location: '/coffees/' }],
    ['/coffees/guji.html?x=1', { kind: 'redirect', status: 308, location: '/coffees/guji?x=1' }],
    ['/shop/huila', { kind: 'redirect', status: 301, location: '/coffees/huila' }],
    ['/guides/nothing', { kind: 'file', status: 404, isFallback: true, urlPath: '/guides/404.html' }],
    ['/api/coffees', { kind: 'function', urlPath: '/api/coffees', methods: ['GET', 'HEAD'] }],
    ['/api/coffees/guji', { kind: 'function', urlPath: '/api/coffees/:id' }],
    ['/api/echo/a/b?c=d', { kind: 'function', urlPath: '/api/echo/*', methods: null }],
  ])('%s: what it says is what the gateway does', async (path, expected) => {
    const { route, mapping, host } = await explain(path);
    expect(route).toMatchObject(expected);
    expect(host).toBe(HOST);
    expect(mapping).toMatchObject({ key: `domain:${HOST}`, rev: expect.any(Number) });
    const answer = await visit(gatewayPort(), HOST, path, { headers: { accept: 'text/html' } });
    if (route.kind === 'file') {
      expect([answer.status, answer.headers['content-type']]).toEqual([route.status, route.contentType]);
    } else if (route.kind === 'redirect') {
      expect([answer.status, answer.headers.location]).toEqual([route.status, route.location]);
    } else {
      expect(answer.status).toBe(200);
    }
  });

  test('names the rules that match', async () => {
    const { headers, redirects } = await explain('/licenses/bricolage-grotesque.txt');
    expect(headers.map((rule) => rule.for)).toEqual(['/*', '/licenses/*']);
    expect(redirects).toEqual([]);
    expect((await explain('/api/coffees')).headers).toEqual([]);
    expect((await explain('/shop/guji')).redirects).toEqual([
      { from: '/shop/:name', to: '/coffees/:name', status: 301 },
    ]);
  });

  test('a wrong method', async () => {
    expect((await explain('/', '-X', 'post')).route).toEqual({
      kind: 'wrong-method',
      allow: 'GET, HEAD, OPTIONS',
    });
  });

  test('a person reads lines', async () => {
    const { out } = await run(['explain', `http://${HOST}/style.css`, '-g', adminUrl()]);
    expect(out).toMatch(/^host +roastery\.test\nmapping +domain:roastery\.test, .*rev \d+\n/);
    expect(out).toMatch(
      /\nanswer +200, the file \/style\.css\ntype +text\/css; charset=utf-8\nsize +[\d.]+ kB \(br /,
    );
    expect(out).toContain('header rule');
  });

  test.each([
    ['an unknown host', ['http://nobody.test/'], 5, 'No site is deployed'],
    ['a bad escape', [`http://${HOST}/%zz`], 2, 'malformed'],
    ['no URL', ['http://'], 2, 'is no URL'],
    [
      'no gateway',
      [`http://${HOST}/`, '-g', 'http://127.0.0.1:1'],
      3,
      'No gateway answers at http://127.0.0.1:1',
    ],
  ])('%s: one clear message', async (_, args, exitCode, message) => {
    const { code, err } = await run(['explain', '-g', adminUrl(), ...args]);
    expect([code, err]).toEqual([exitCode, expect.stringContaining(message)]);
  });
});

describe('origan doctor', () => {
  const states = (out: string): Record<string, string> =>
    Object.fromEntries(
      (JSON.parse(out) as { findings: { check: string; state: string }[] }).findings.map(
        ({ check, state }) => [check, state],
      ),
    );

  test('finds nothing wrong with a system that is well', async () => {
    const { code, out } = await run(['doctor', '-g', adminUrl(), '--json']);
    expect(states(out)).toMatchObject({
      'control API': 'ok',
      database: 'ok',
      bucket: 'ok',
      token: 'ok',
      clock: 'ok',
      'cache server': 'ok',
      'cache rights': 'ok',
      'cache transport': 'ok',
      gateways: 'ok',
      bus: 'ok',
      'bucket rights': 'ok',
      migrations: 'ok',
      'database clock': 'ok',
      gateway: 'ok',
    });
    expect(code).toBe(0);
    const text = await run(['doctor', '-g', adminUrl()]);
    expect(text.out).toMatch(/ok +gateways +1 gateway with a lease/);
    expect(text.out).toMatch(/ok +bus +1 gateway confirmed a message after/);
  });

  test('says what is wrong, and what mends it', async () => {
    const { code, out } = await run(['doctor', '-g', 'http://127.0.0.1:1', '--token', 'wrong'], {
      CACHE_URL: '127.0.0.1:1',
    });
    expect(code).toBe(1);
    expect(out).toMatch(/WRONG +token +.*\n +-> Run origan login/);
    expect(out).toMatch(/WRONG +cache server +The cache server at 127\.0\.0\.1:1 cannot be used\.\n +-> /);
    expect(out).toMatch(/WRONG +gateway +No gateway answers/);
    const alone = await run(['doctor', '--api-url', 'http://127.0.0.1:1', '--json'], { CACHE_URL: '' });
    expect([alone.code, alone.err]).toEqual([1, '']);
    expect(states(alone.out)).toMatchObject({ 'control API': 'wrong', 'cache server': 'skipped' });
  });

  test('a malformed environment is a finding, not a crash', async () => {
    const { code, out } = await run(['doctor', '-g', adminUrl()], { CACHE_URL: 'http://x' });
    expect([code, out]).toEqual([
      1,
      expect.stringMatching(/WRONG +cache server .*(.|\n)*must be redis:\/\//),
    ]);
  });
});
