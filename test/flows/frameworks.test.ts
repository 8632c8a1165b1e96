import { cp, mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createControlApiClient, type ControlApiClient } from '../../cli/control-api-client.ts';
import { deploySite, type DeploySummary } from '../../cli/deploy.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { openPage, startChromium } from '../support/chromium.ts';
import { installPackages } from '../support/install-packages.ts';
import { startProcess } from '../support/process.ts';
import { startSystem, type System } from '../support/system.ts';
import { visit, type Visit, type VisitOptions } from '../support/visit.ts';

// Projects as their frameworks' own starters lay them out, built by the frameworks themselves, deployed by naming
// the project's folder and nothing else.

let modules: string;
let cacheServer: CacheServer;
let system: System;
let client: ControlApiClient;
let browser: Browser;
const builds: string[] = [];

beforeAll(async () => {
  modules = await installPackages('frameworks');
  cacheServer = await startCacheServer();
  system = await startSystem({ env: { CACHE_URL: cacheServer.url } });
  client = createControlApiClient({ apiUrl: system.controlApi.url, token: system.token });
  browser = await startChromium();
}, 600_000);

afterAll(async () => {
  await browser.close();
  await client.close();
  await system.close();
  await cacheServer.close();
  await Promise.all(builds.map((folder) => rm(folder, { recursive: true })));
});

/** Copies a project, builds it with its framework's command, and answers its folder. */
async function build(project: string, command: string, installed: string = modules): Promise<string> {
  const folder = dirname(installed);
  const copy = await mkdtemp(join(folder, 'build-'));
  builds.push(copy);
  await cp(join(folder, project), copy, { recursive: true });
  const env = { ASTRO_TELEMETRY_DISABLED: '1' };
  const run = startProcess(join(installed, '.bin', command), { cwd: copy, args: ['build'], env });
  const { code } = await run.exited;
  expect([run.stderr(), code]).toEqual([expect.anything(), 0]);
  return copy;
}

async function deploy(directory: string, project: string): Promise<DeploySummary> {
  const options = { directory, project, domains: [`${project}.test`], createProject: true };
  const summary = await deploySite(options, client, () => undefined);
  expect(summary.result.outcome).toBe('live');
  return summary;
}

const gatewayPort = (): number => system.gateways[0]?.port ?? 0;
const get = (project: string, path: string, options?: VisitOptions): Promise<Visit> =>
  visit(gatewayPort(), `${project}.test`, path, options);

async function open(project: string, path: string): Promise<{ page: Page; complaints: string[] }> {
  const page = await openPage(browser);
  const complaints: string[] = [];
  page.on('response', (response) => {
    // Browsers ask for it unbidden; these starters have none.
    const isWanted = !response.url().endsWith('/favicon.ico');
    if (response.status() >= 400 && isWanted) complaints.push(`${response.status()}: ${response.url()}`);
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(`http://${project}.test:${gatewayPort()}${path}`, { waitUntil: 'networkidle' });
  return { page, complaints };
}

const NAVIGATION = { headers: { 'sec-fetch-mode': 'navigate', accept: 'text/html' } };

describe('Vite', () => {
  beforeAll(async () => {
    const { files, functions } = await deploy(await build('vite-app', 'vite'), 'vite-app');
    expect([files, functions]).toEqual([5, 0]);
  }, 300_000);

  test('runs in a browser, lazy chunks included, at any address of its router', async () => {
    for (const path of ['/', '/deep/in/the/router']) {
      const { page, complaints } = await open('vite-app', path);
      expect(await page.textContent('#route')).toBe(`route: ${path}`);
      await page.click('button');
      await page.waitForFunction(`document.querySelector('button').textContent === '1'`);
      expect(await page.evaluate(`getComputedStyle(document.body).color`)).toBe('rgb(1, 2, 3)');
      expect(await page.evaluate(`document.querySelector('#mark').naturalWidth`)).toBeGreaterThan(0);
      expect(complaints).toEqual([]);
      await page.close();
    }
  });

  test('a missing asset is 404, not the page', async () => {
    expect((await get('vite-app', '/assets/index-AbCdEf12.js')).status).toBe(404);
    expect((await get('vite-app', '/any/page', NAVIGATION)).status).toBe(200);
  });
});

describe('Astro', () => {
  beforeAll(async () => {
    await deploy(await build('astro-site', 'astro'), 'astro-site');
  }, 300_000);

  test('pages at clean addresses, scripts, styles, its own 404', async () => {
    const { page, complaints } = await open('astro-site', '/');
    expect(await page.textContent('#script')).toBe('hello from the script');
    expect(await page.evaluate(`getComputedStyle(document.querySelector('h1')).color`)).toBe('rgb(4, 5, 6)');
    await page.click('a');
    await page.waitForURL('**/blog/first/');
    expect(await page.textContent('h1')).toBe('First post');
    expect(complaints).toEqual([]);
    await page.close();
    const lost = await get('astro-site', '/no/such/page', NAVIGATION);
    expect([lost.status, lost.text.includes('Astro cannot find it')]).toEqual([404, true]);
  });
});

describe.each([
  ['Nitro 2', 'nitro-app', () => Promise.resolve(modules)],
  ['Nitro 3', 'nitro-3-app', () => installPackages('frameworks/nitro-3')],
])('%s', (_, project, install) => {
  let directory: string;

  beforeAll(async () => {
    directory = await build(project, 'nitro', await install());
    const { files, functions } = await deploy(directory, project);
    expect([files, functions]).toEqual([1, 1]);
  }, 300_000);

  test('its default build, made for Node, serves pages, routes and bodies', async () => {
    const { page, complaints } = await open(project, '/');
    expect(await page.textContent('h1')).toBe('A Nitro app');
    expect(await page.evaluate(`getComputedStyle(document.querySelector('h1')).color`)).toBe('rgb(7, 8, 9)');
    expect(complaints).toEqual([]);
    await page.close();
    const hello = await get(project, '/api/hello/world?a=1&b=%20');
    expect(JSON.parse(hello.text)).toEqual({ hello: 'world', query: { a: '1', b: ' ' }, greeting: 'none' });
    const headers = { 'content-type': 'application/json' };
    const echo = await get(project, '/api/echo', { method: 'POST', headers, body: '{"n":1}' });
    expect(JSON.parse(echo.text)).toEqual({ got: { n: 1 } });
    expect((await get(project, '/nothing')).status).toBe(404);
  });

  test('the folder of the build may be named as well as the project', async () => {
    for (const named of ['.output', '.output/public']) {
      expect(await deploy(join(directory, named), project)).toMatchObject({
        files: 1,
        functions: 1,
        unchanged: 2,
      });
    }
  });
});
