import { readFile } from 'node:fs/promises';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPage, startChromium } from '../support/chromium.ts';
import { freePort } from '../support/free-port.ts';
import { REPOSITORY, startNode, type StartedProcess } from '../support/process.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';
import { waitUntil } from '../support/wait-until.ts';
import { visit, type Visit, type VisitOptions } from '../support/visit.ts';

const WEB = join(REPOSITORY, 'examples/web');
const HOST = 'demo.localhost';

let state: TempDir;
let port: number;
let env: Record<string, string>;
let system: StartedProcess;

const get = (path: string, options: VisitOptions = {}): Promise<Visit> =>
  visit(port, `${HOST}:${port}`, path, options);

async function start(): Promise<StartedProcess> {
  const started = startNode('standalone/main.ts', { env });
  await started.waitFor(/Ctrl-C stops everything/);
  return started;
}

beforeAll(async () => {
  state = await makeTempDir('standalone');
  const [gateway, admin, control, runner] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ]);
  port = gateway;
  env = {
    ORIGAN_STATE_DIR: state.path,
    GATEWAY_PORT: String(gateway),
    GATEWAY_ADMIN_PORT: String(admin),
    CONTROL_API_PORT: String(control),
    CONTROL_API_ADMIN_PORT: '0',
    RUNNER_PORT: String(runner),
  };
  system = await start();
});

afterAll(async () => {
  await system.stop('SIGKILL');
  await state.remove();
});

/** Where a file of the example answers: `a.html` at `/a`, `a/index.html` at `/a/`, others at their own path. */
function canonical(file: string): string {
  if (file === 'index.html' || file.endsWith('/index.html')) return `/${file.slice(0, -'index.html'.length)}`;
  return `/${file.endsWith('.html') ? file.slice(0, -'.html'.length) : file}`;
}

const files = readdirSync(WEB, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !entry.name.startsWith('_'))
  .map((entry) => join(entry.parentPath, entry.name).slice(WEB.length + 1));

const TYPES: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  txt: 'text/plain; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
  jpg: 'image/jpeg',
  webp: 'image/webp',
  woff2: 'font/woff2',
};

describe('the files of the example', () => {
  test.each(files)('%s answers with its bytes, its type and validators', async (file) => {
    const answer = await get(canonical(file));
    expect(answer.status).toBe(200);
    expect(answer.body.equals(await readFile(join(WEB, file)))).toBe(true);
    expect(answer.headers['content-type']).toBe(TYPES[file.slice(file.lastIndexOf('.') + 1)]);
    const { etag = '' } = answer.headers;
    expect(etag).toMatch(/^"[^"]+"$/);
    const again = await get(canonical(file), { headers: { 'if-none-match': etag } });
    expect([again.status, again.body.length, again.headers.etag]).toEqual([304, 0, etag]);
  });

  test('a name with a fingerprint may be kept for ever, a page must be asked for again', async () => {
    const asset = files.find((file) => /^assets\/.*\.js$/.test(file)) ?? '';
    expect((await get(`/${asset}`)).headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect((await get('/')).headers['cache-control']).toBe('public, max-age=0, must-revalidate');
  });

  test('the second answer comes from memory and says so', async () => {
    await get('/style.css');
    expect((await get('/style.css')).headers['cache-status']).toBe('origan-edge; hit');
  });
});

describe('what is not there', () => {
  test('the nearest 404 page answers, with 404', async () => {
    const nested = await get('/guides/no-such-guide', { headers: { accept: 'text/html' } });
    expect(nested.status).toBe(404);
    expect(nested.text).toBe(await readFile(join(WEB, 'guides/404.html'), 'utf8'));
    const top = await get('/no-such-page', { headers: { accept: 'text/html' } });
    expect([top.status, top.text]).toEqual([404, await readFile(join(WEB, '404.html'), 'utf8')]);
  });

  test('an unknown host is 404, a method that a file does not answer is 405', async () => {
    expect((await visit(port, 'nobody.localhost', '/')).status).toBe(404);
    const posted = await get('/', { method: 'POST', body: 'x' });
    expect([posted.status, posted.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS']);
  });
});

describe('the functions of the example', () => {
  test('JSON, path parameter, query', async () => {
    expect(JSON.parse((await get('/api/coffees')).text)).toHaveProperty('coffees');
    expect((await get('/api/coffees/guji')).status).toBe(200);
    expect((await get('/api/coffees/nothing')).status).toBe(404);
    const echo = await get('/api/echo/a/b?x=1&y=%20', { method: 'PUT', body: 'body' });
    expect(JSON.parse(echo.text)).toMatchObject({
      method: 'PUT',
      path: 'a/b',
      query: { x: '1', y: ' ' },
      bytes: 4,
    });
  });

  test('the environment of the deployment', async () => {
    expect(JSON.parse((await get('/api/about')).text)).toEqual({
      greeting: 'Good morning from Ember & Lark',
    });
  });

  test('a form: the redirect is passed on and not followed', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const booked = await get('/api/bookings', {
      method: 'POST',
      headers,
      body: 'name=Ada&seats=2&day=friday',
    });
    expect([booked.status, booked.headers.location]).toEqual([303, '/thanks?name=Ada&seats=2']);
  });

  test('several cookies stay several', async () => {
    const { headers } = await get('/api/session');
    expect(headers['set-cookie']).toHaveLength(3);
  });

  test('an error of the function is 500 and shows nothing of its message', async () => {
    const failed = await get('/api/grind');
    expect(failed.status).toBe(500);
    expect(failed.text).not.toContain('burrs');
  });

  test('an event stream arrives event by event', async () => {
    const arrivals: number[] = [];
    const stream = await get('/api/roast/live?ticks=8&interval=250', {
      onChunk: () => arrivals.push(performance.now()),
    });
    expect(stream.headers['content-type']).toBe('text/event-stream');
    expect(stream.text.match(/^event: tick$/gm)).toHaveLength(9);
    // Written over 8 pauses: buffered anywhere on the way, it would come in one or two pieces. A machine that stands still
    // for a moment puts a few of them together, not most.
    expect(arrivals.length).toBeGreaterThanOrEqual(4);
  });
});

describe('in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startChromium();
  });
  afterAll(() => browser.close());

  test('every page opens without an error', async () => {
    const page = await openPage(browser);
    const problems: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(`${page.url()}: ${message.text()}`);
    });
    page.on('pageerror', (error) => problems.push(`${page.url()}: ${error.message}`));
    page.on('response', (response) => {
      if (response.status() >= 400) problems.push(`${response.status()} ${response.url()}`);
    });
    for (const file of files.filter((each) => each.endsWith('.html') && !each.endsWith('404.html'))) {
      await page.goto(`http://${HOST}:${port}${canonical(file)}`, { waitUntil: 'load' });
      expect(await page.title()).not.toBe('');
    }
    expect(problems).toEqual([]);
    await page.close();
  });

  test('the live roast shows events while the stream runs', async () => {
    const page = await openPage(browser);
    await page.goto(`http://${HOST}:${port}/roast`);
    const first = page.waitForResponse(/\/api\/roast\/live/);
    const button = page.getByRole('button').first();
    if ((await button.count()) > 0) await button.click();
    await first;
    await page
      .getByText(/turning point/i)
      .first()
      .waitFor();
    await page.close();
  });
});

describe('a stop', () => {
  const children = async (pid: number): Promise<string> =>
    readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');

  test('Ctrl-C ends every process, exit code 0; the state is kept and the next start is quick', async () => {
    if (system.child.exitCode !== null) system = await start();
    const workers = (await children(system.pid)).trim().split(/\s+/).filter(Boolean);
    expect(workers.length).toBeGreaterThan(0);
    const { code } = await system.stop('SIGINT');
    expect(code).toBe(0);
    // What is left ends by itself once its parent is gone; an orphan would stay for ever.
    await waitUntil(() => workers.every((pid) => !existsSync(`/proc/${pid}`)));
    system = await start();
    expect(system.stdout()).toMatch(/live on 1 of 1 gateway/);
    expect((await get('/')).status).toBe(200);
  });
});
