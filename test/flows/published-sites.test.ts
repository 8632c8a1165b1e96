import { createHash } from 'node:crypto';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StaticResource } from '../../contracts/manifest.ts';
import { buildSite } from '../../cli/build-site.ts';
import { createControlApiClient, type ControlApiClient } from '../../cli/control-api-client.ts';
import { deploySite } from '../../cli/deploy.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { openPage, startChromium } from '../support/chromium.ts';
import { installPackages } from '../support/install-packages.ts';
import { startSystem, type System } from '../support/system.ts';
import { visit } from '../support/visit.ts';

// Packages as they are published, by people who never heard of this edge: every file must answer with its bytes and
// its type, and what is a page must open in a browser without a complaint.

let modules: string;
let cacheServer: CacheServer;
let system: System;
let client: ControlApiClient;
let browser: Browser;

beforeAll(async () => {
  modules = await installPackages('fixtures-npm');
  cacheServer = await startCacheServer();
  system = await startSystem({ env: { CACHE_URL: cacheServer.url } });
  client = createControlApiClient({ apiUrl: system.controlApi.url, token: system.token });
  browser = await startChromium();
}, 300_000);

afterAll(async () => {
  await browser.close();
  await client.close();
  await system.close();
  await cacheServer.close();
});

const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  gif: 'image/gif',
  html: 'text/html; charset=utf-8',
  jpg: 'image/jpeg',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json; charset=utf-8',
  map: 'application/json; charset=utf-8',
  md: 'text/markdown; charset=utf-8',
  mjs: 'text/javascript; charset=utf-8',
  png: 'image/png',
  scss: 'text/x-scss; charset=utf-8',
  svg: 'image/svg+xml',
  // As registered, and as every server says; TypeScript has no type of its own.
  ts: 'video/mp2t',
  ttf: 'font/ttf',
  txt: 'text/plain; charset=utf-8',
  woff: 'font/woff',
  woff2: 'font/woff2',
};

async function deploy(directory: string, project: string): Promise<void> {
  const options = { directory, project, domains: [hostOf(project)], createProject: true };
  const { result } = await deploySite(options, client, () => undefined);
  expect(result).toMatchObject({ outcome: 'live', expired: [] });
  expect(result.acknowledged).toHaveLength(1);
}

const hostOf = (project: string): string => `${project}.test`;
const gatewayPort = (): number => system.gateways[0]?.port ?? 0;

/** Where a file answers: pages at their clean address. */
function addressOf({ urlPath }: StaticResource): string {
  const clean = urlPath.replace(/\/index\.html$/, '/').replace(/\.html$/, '');
  return clean.split('/').map(encodeURIComponent).join('/');
}

/** Asks for every file of the site and compares bytes and type with the folder's. */
async function expectEveryFile(directory: string, project: string): Promise<void> {
  const { manifest } = await buildSite({ directory });
  const files = manifest.resources.filter((resource) => resource.kind === 'static');
  expect(files.length).toBeGreaterThan(25);
  for (const file of files) {
    const answer = await visit(gatewayPort(), hostOf(project), addressOf(file));
    expect([file.urlPath, answer.status]).toEqual([file.urlPath, 200]);
    expect(createHash('sha256').update(answer.body).digest('hex'), file.urlPath).toBe(file.hash);
    const extension = /\.([a-z0-9]+)$/.exec(file.urlPath)?.[1] ?? '';
    const type = TYPES[extension] ?? 'application/octet-stream';
    expect([file.urlPath, answer.headers['content-type']]).toEqual([file.urlPath, type]);
    if (file.urlPath.endsWith('.html')) {
      const long = await visit(gatewayPort(), hostOf(project), file.urlPath);
      expect([long.status, long.headers.location]).toEqual([308, addressOf(file)]);
    }
  }
}

/** Opens a page and collects whatever a developer would see in red. */
async function open(project: string, path: string): Promise<{ page: Page; complaints: string[] }> {
  const page = await openPage(browser);
  const complaints: string[] = [];
  page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()}`));
  page.on(
    'response',
    (response) =>
      void (response.status() >= 400 && complaints.push(`${response.status()}: ${response.url()}`)),
  );
  // What these packages ask of the world outside (pictures, a specification to show) is not what is tested.
  await page.route(
    ({ hostname }) => !hostname.endsWith('.test'),
    (route) =>
      route.fulfill({
        ...(route.request().resourceType() === 'image'
          ? { contentType: 'image/svg+xml', body: '<svg xmlns="http://www.w3.org/2000/svg"/>' }
          : { json: PETSTORE }),
        headers: { 'access-control-allow-origin': '*' },
      }),
  );
  await page.goto(`http://${hostOf(project)}:${gatewayPort()}${path}`);
  return { page, complaints };
}

const PETSTORE = {
  swagger: '2.0',
  info: { title: 'Pets', version: '1' },
  paths: { '/pets': { get: { summary: 'All pets', responses: { 200: { description: 'pets' } } } } },
};

describe('reveal.js', () => {
  const directory = (): string => join(modules, 'reveal.js');

  test('deploys, and every file answers', async () => {
    await deploy(directory(), 'reveal');
    await expectEveryFile(directory(), 'reveal');
  }, 300_000);

  test.each(['/', '/demo'])('%s opens and turns its slides', async (path) => {
    const { page, complaints } = await open('reveal', path);
    await page.waitForSelector('.reveal.ready');
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction('Reveal.getIndices().h === 1');
    await page.waitForLoadState('networkidle');
    expect(complaints).toEqual([]);
    await page.close();
  });
});

describe('swagger-ui-dist', () => {
  const directory = (): string => join(modules, 'swagger-ui-dist');

  test('deploys, and every file answers', async () => {
    await deploy(directory(), 'swagger');
    await expectEveryFile(directory(), 'swagger');
  }, 300_000);

  test('shows a specification', async () => {
    const { page, complaints } = await open('swagger', '/');
    await page.getByText('All pets').waitFor();
    await page.waitForLoadState('networkidle');
    expect(complaints).toEqual([]);
    await page.close();
  });
});

describe('monaco-editor', () => {
  let directory: string;

  // The package has no page of its own: its built files beside the page that its documentation shows.
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'monaco-'));
    await cp(join(modules, 'monaco-editor/min'), directory, { recursive: true });
    await writeFile(join(directory, 'index.html'), MONACO_PAGE);
  });

  afterAll(() => rm(directory, { recursive: true }));

  test('deploys, and every file answers', async () => {
    await deploy(directory, 'monaco');
    await expectEveryFile(directory, 'monaco');
  }, 600_000);

  test('edits, with its workers', async () => {
    const { page, complaints } = await open('monaco', '/');
    await page.waitForSelector('.monaco-editor .view-line');
    await page.waitForFunction(`document.body.dataset.completed === 'toUpperCase'`);
    expect(complaints).toEqual([]);
    expect(page.workers().length).toBeGreaterThan(0);
    await page.close();
  });

  test('the whole package makes a manifest: near two thousand files', async () => {
    const site = await buildSite({ directory: join(modules, 'monaco-editor') });
    expect(site.files).toBeGreaterThan(1500);
    expect(site.totalBytes).toBeGreaterThan(50_000_000);
    const hashed = site.manifest.resources.filter(
      (resource) => resource.kind === 'static' && resource.fingerprinted,
    );
    expect(hashed.length).toBeGreaterThan(150);
    for (const { urlPath } of hashed) expect(urlPath).toMatch(/-[A-Za-z0-9_-]{8}\.js$/);
    const plain = site.manifest.resources.find(({ urlPath }) => urlPath === '/min/vs/loader.js');
    expect(plain).not.toHaveProperty('fingerprinted');
  });
});

const MONACO_PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Editor</title><link rel="icon" href="data:,"></head>
<body>
<div id="editor" style="height: 400px"></div>
<script src="/vs/loader.js"></script>
<script>
require.config({ paths: { vs: '/vs' } });
require(['vs/editor/editor.main'], async () => {
  const model = monaco.editor.createModel('"text".toUpper', 'typescript');
  monaco.editor.create(document.getElementById('editor'), { model });
  const languages = monaco.languages.typescript ?? monaco.typescript;
  const worker = await (await languages.getTypeScriptWorker())(model.uri);
  const { entries } = await worker.getCompletionsAtPosition(model.uri.toString(), 14);
  document.body.dataset.completed = entries.find(({ name }) => name === 'toUpperCase')?.name ?? 'nothing';
});
</script>
</body>
</html>
`;
