import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { apiPaths, type Deployment } from '../../contracts/control-api.ts';
import { startTestControlApi, TEST_TOKEN, type TestControlApi } from '../support/control-api.ts';
import { startHttpProxy, type HttpProxy } from '../support/http-proxy.ts';
import { origan, type CliRun } from '../support/run-cli.ts';
import { siteFolder } from '../support/site-folder.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

// Ctrl-C, at the steps where it makes a difference: what the user is told of it is what happened.

let api: TestControlApi;
let proxy: HttpProxy;
let state: TempDir;
let interrupt: AbortController;
let projects = 0;

beforeAll(async () => {
  state = await makeTempDir('interrupted');
  api = await startTestControlApi({ directory: state.path });
  proxy = await startHttpProxy(api.url);
});
afterAll(async () => {
  await proxy.close();
  await api.close();
  await state.remove();
});
beforeEach(() => {
  interrupt = new AbortController();
  onTestFinished(() => {
    proxy.onAnswer = undefined;
    proxy.answer = undefined;
  });
});

/** Ctrl-C once the control API has done what a request asked for, whose answer never comes. */
function interruptAfter(isIt: (method: string, url: string) => boolean): void {
  proxy.onAnswer = (method, url) => {
    if (!isIt(method, url)) return undefined;
    interrupt.abort();
    return new Promise(() => undefined);
  };
}

const run = (...args: string[]): Promise<CliRun> => {
  const env = { ORIGAN_API_URL: proxy.url, ORIGAN_TOKEN: TEST_TOKEN };
  return origan(args, { env, signal: interrupt.signal });
};

async function newProject(): Promise<string> {
  projects += 1;
  const name = `interrupted-${projects}`;
  await api.send('POST', apiPaths.projects(), { name });
  return name;
}

async function newest(project: string): Promise<Deployment | undefined> {
  const { body } = await api.send('GET', apiPaths.deployments(project));
  return (body as { deployments: Deployment[] }).deployments[0];
}

test('a deploy that uploads: it is given up, and nothing is shown', async () => {
  const project = await newProject();
  interruptAfter((method) => method === 'PUT');
  const { code, err } = await run('deploy', await siteFolder({ 'index.html': 'x' }), '-p', project);
  expect(code).toBe(1);
  expect(err).toContain('Interrupted; nothing shown was changed by this command.');
  expect(await newest(project)).toMatchObject({ status: 'failed', isLive: false });
});

test('a deploy that has gone live is not said to have changed nothing', async () => {
  const project = await newProject();
  interruptAfter((_method, url) => url.endsWith('/finish'));
  const { code, err } = await run('deploy', await siteFolder({ 'index.html': 'x' }), '-p', project);
  const shown = await newest(project);
  expect([code, shown?.isLive]).toEqual([1, true]);
  expect(err).toContain(
    `Error: Interrupted. The deployment ${shown?.id.slice(0, 8)} was complete by then: its track shows it.\norigan rollback`,
  );
});

test('a deploy of which nobody can say what became of it', async () => {
  const project = await newProject();
  interruptAfter((_method, url) => url.endsWith('/finish'));
  proxy.answer = (_method, url) => (url.endsWith('/abort') ? { status: 502, body: '' } : undefined);
  const args = ['deploy', await siteFolder({ 'index.html': 'x' }), '-p', project, '--json'];
  const { error } = JSON.parse((await run(...args)).out);
  expect(error).toMatchObject({
    code: 'INTERRUPTED',
    message: expect.stringMatching(
      /^Interrupted\. Whether the deployment \w{8} has gone live is not known\.$/,
    ),
    hint: 'origan deployments tells.',
  });
});

test('a command that changes something may have done so, one that reads has not', async () => {
  const project = await newProject();
  interruptAfter((method) => method === 'POST');
  const added = await run('domains', 'add', 'www.interrupted.example', '-p', project);
  expect(added.err).toBe('Error: Interrupted. The control API may have done what it was asked for.\n');
  interrupt = new AbortController();
  interruptAfter((method) => method === 'GET');
  const listed = await run('domains', 'ls', '-p', project);
  expect(listed.err).toBe('Error: Interrupted.\n');
});
