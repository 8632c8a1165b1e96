import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { apiPaths, type Deployment } from '../../contracts/control-api.ts';
import { createControlApiClient, type ControlApiClient } from '../../cli/control-api-client.ts';
import { deploySite, type DeployEvent, type DeployOptions, type DeploySummary } from '../../cli/deploy.ts';
import { startChaosProxy } from '../support/chaos-proxy.ts';
import { askConfig, startTestControlApi, TEST_TOKEN, type TestControlApi } from '../support/control-api.ts';
import { origan, type CliRun, type RunOptions } from '../support/run-cli.ts';
import { siteFolder } from '../support/site-folder.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

let api: TestControlApi;
let state: TempDir;
let projects = 0;

beforeAll(async () => {
  state = await makeTempDir('cli');
  api = await startTestControlApi({ directory: state.path });
});

afterAll(async () => {
  await api.close();
  await state.remove();
});

const SITE = {
  'index.html': '<h1>One</h1>',
  'about.html': 'about',
  'assets/app-BxY3a9Zk.js': 'js',
  'copy.html': 'about',
  'functions/api/hi.ts': 'export default () => new Response("hi")',
};

function connect(apiUrl: string = api.url, token: string = TEST_TOKEN): ControlApiClient {
  const client = createControlApiClient({ apiUrl, token });
  onTestFinished(() => client.close());
  return client;
}

async function newProject(): Promise<string> {
  projects += 1;
  const name = `site-${projects}`;
  expect((await api.send('POST', apiPaths.projects(), { name })).status).toBe(201);
  return name;
}

type Deploy = {
  options: Partial<DeployOptions>;
  client: ControlApiClient;
  report: (event: DeployEvent) => void;
};

async function deploy(
  directory: string,
  project: string,
  more: Partial<Deploy> = {},
): Promise<DeploySummary> {
  const { options, client = connect(), report = () => undefined } = more;
  return deploySite({ directory, project, ...options }, client, report);
}

async function newest(project: string): Promise<Deployment | undefined> {
  const { body } = await api.send('GET', apiPaths.deployments(project));
  return (body as { deployments: Deployment[] }).deployments[0];
}

describe('deploySite', () => {
  test('uploads what is new, shows it, and says so', async () => {
    const project = await newProject();
    const root = await siteFolder(SITE);
    const events: string[] = [];
    const first = await deploy(root, project, {
      options: { domains: ['first.example'] },
      report: ({ kind }) => events.push(kind),
    });
    expect(first).toMatchObject({ files: 4, functions: 1, unchanged: 0, warnings: [] });
    // Two files with one content are one object.
    expect(first.uploaded.objects).toBe(4);
    expect(first.result).toMatchObject({ outcome: 'live', deployment: { status: 'success', isLive: true } });
    expect(first.result.domains.map(({ host }) => host)).toContain('first.example');
    expect(events.filter((kind) => kind === 'uploading')).toHaveLength(4);
    expect(new Set(events)).toEqual(new Set(['building', 'built', 'begun', 'uploading', 'finishing']));
    const { body } = await askConfig(api, 'first.example');
    expect(body.result.data.json).toMatchObject({ deploymentId: first.result.deployment.id });
    expect(body.result.data.json.config).toMatchObject({ objects: 'by-hash', html: 'auto' });
  });

  test('a second deploy uploads only what changed', async () => {
    const project = await newProject();
    const root = await siteFolder(SITE);
    await deploy(root, project);
    expect(await deploy(root, project)).toMatchObject({ uploaded: { objects: 0, bytes: 0 }, unchanged: 5 });
    await writeFile(join(root, 'about.html'), 'changed');
    expect(await deploy(root, project)).toMatchObject({ uploaded: { objects: 1, bytes: 7 }, unchanged: 4 });
  });

  test('a preview leaves the track as it is', async () => {
    const project = await newProject();
    const shown = await deploy(await siteFolder(SITE), project);
    const preview = await deploy(await siteFolder({ 'index.html': 'two' }), project, {
      options: { previewOnly: true },
    });
    expect(preview.result.outcome).toBe('preview');
    const { body } = await api.send('GET', apiPaths.deployment(project, shown.result.deployment.id));
    expect(body.isLive).toBe(true);
  });

  test('the network breaks during uploads: tried again until all has arrived', async () => {
    const project = await newProject();
    const proxy = await startChaosProxy(Number(new URL(api.url).port));
    onTestFinished(() => proxy.close());
    const files = Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => [`${index}.txt`, `file ${index}`]),
    );
    const summary = await deploy(await siteFolder({ 'index.html': '', ...files }), project, {
      client: connect(`http://127.0.0.1:${proxy.port}`),
      report: ({ kind }) => {
        // From here on each new connection is reset after two or three answers.
        if (kind === 'begun') proxy.set({ kind: 'cut', afterBytes: 700 });
        if (kind === 'finishing') proxy.set({ kind: 'pass' });
      },
    });
    expect(proxy.connections()).toBeGreaterThan(10);
    expect(summary).toMatchObject({ uploaded: { objects: 41 }, result: { outcome: 'live' } });
  });

  test('a file that changes under way: nothing is shown, the deployment is given up, the next one works', async () => {
    const project = await newProject();
    const root = await siteFolder({ 'index.html': 'one', 'page.html': 'old!' });
    for (const change of [
      async () => writeFile(join(root, 'page.html'), 'new!'),
      async () => writeFile(join(root, 'page.html'), 'longer than before'),
      async () => rm(join(root, 'page.html')),
    ]) {
      await writeFile(join(root, 'page.html'), `old!${Math.random()}`);
      const pending: Promise<void>[] = [];
      const client = connect();
      const slow: ControlApiClient = {
        ...client,
        upload: async (upload) => {
          await Promise.all(pending);
          return client.upload(upload);
        },
      };
      const failing = deploy(root, project, {
        client: slow,
        report: (event) => void (event.kind === 'begun' && pending.push(change())),
      });
      await expect(failing).rejects.toMatchObject({ code: 'FILE_CHANGED' });
      expect(await newest(project)).toMatchObject({ status: 'failed', isLive: false });
    }
    await writeFile(join(root, 'page.html'), 'at rest');
    expect((await deploy(root, project)).result.outcome).toBe('live');
  });

  test('an interrupt gives the deployment up', async () => {
    const project = await newProject();
    const controller = new AbortController();
    const failing = deploy(await siteFolder(SITE), project, {
      options: { signal: controller.signal },
      report: (event) => void (event.kind === 'uploading' && controller.abort()),
    });
    await expect(failing).rejects.toThrow();
    expect(await newest(project)).toMatchObject({ status: 'failed' });
  });

  test('a project is created when that was asked for', async () => {
    const root = await siteFolder(SITE);
    const name = `brand-new-${(projects += 1)}`;
    await expect(deploy(root, name)).rejects.toMatchObject({ exitCode: 5 });
    const options = { createProject: true };
    expect((await deploy(root, name, { options })).result.outcome).toBe('live');
    expect((await deploy(root, name, { options })).unchanged).toBe(5);
  });
});

describe('origan deploy', () => {
  const run = (args: string[], options: RunOptions = {}): Promise<CliRun> =>
    origan(['deploy', ...args], { env: { ORIGAN_API_URL: api.url, ORIGAN_TOKEN: TEST_TOKEN }, ...options });

  test('a person reads what happened', async () => {
    const project = await newProject();
    const root = await siteFolder({ ...SITE, '.env': 'SECRET=1' });
    const { code, out, err } = await run([root, '-p', project, '-d', 'human.example']);
    expect(code).toBe(0);
    expect(out).toMatch(/^4 files, 1 function, [\d.]+ kB, 4 uploaded, 0 unchanged, /);
    expect(out).toMatch(/\nlive/);
    expect(out).toContain('human.example');
    expect(err).toContain(`Deploying ${root}`);
    expect(err).toContain('left out: .env');
  });

  test('a script reads one line of JSON and nothing else', async () => {
    const project = await newProject();
    const { code, out, err } = await run([await siteFolder(SITE), '-p', project, '--json']);
    expect([code, err, out.endsWith('\n'), out.trim().includes('\n')]).toEqual([0, '', true, false]);
    expect(JSON.parse(out)).toMatchObject({
      files: 4,
      result: { outcome: 'live', deployment: { status: 'success' } },
    });
  });

  test('project and domain come from origan.json', async () => {
    const project = await newProject();
    const config = JSON.stringify({ project, domain: 'configured.example', directory: 'web' });
    const root = await siteFolder({ 'origan.json': config, 'web/index.html': '' });
    const { code, out } = await run([], { cwd: root });
    expect([code, out.includes('configured.example')]).toEqual([0, true]);
  });

  test.each([
    ['no project', [], 2, 'No project is named.'],
    ['an unknown project', ['-p', 'nobody'], 5, 'nobody'],
    ['a wrong option', ['--wat'], 2, "unknown option '--wat'"],
    ['too many arguments', ['x', 'y', 'z'], 2, 'too many arguments'],
    ['a wrong track', ['-p', 'PROJECT', '-t', 'Bad--Track'], 2, 'track'],
    ['a wrong variable', ['-p', 'PROJECT', '-e', 'hunter2'], 2, 'NAME=value'],
    ['no network', ['-p', 'PROJECT', '--api-url', 'http://127.0.0.1:1'], 3, 'could not be reached'],
    ['a wrong token', ['-p', 'PROJECT', '--token', 'wrong'], 4, 'token'],
  ])('%s: one clear message', async (_, args, exitCode, message) => {
    const project = await newProject();
    const root = await siteFolder(SITE);
    const named = args[0] === 'x' ? [] : [root];
    const { code, out, err } = await run([
      ...named,
      ...args.map((arg) => (arg === 'PROJECT' ? project : arg)),
    ]);
    expect([code, out]).toEqual([exitCode, '']);
    expect(err.match(/Error:/g)).toHaveLength(1);
    expect(err).toContain(message);
    expect(err).not.toMatch(/hunter2|at .*\.ts:\d+/);
  });

  test('a domain of another project is a conflict, in JSON too', async () => {
    const [mine, theirs] = [await newProject(), await newProject()];
    await deploy(await siteFolder(SITE), theirs, { options: { domains: ['taken.example'] } });
    const root = await siteFolder(SITE);
    const { code, out } = await run([root, '-p', mine, '-d', 'taken.example', '--json']);
    expect(code).toBe(6);
    expect(JSON.parse(out).error).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('taken.example'),
    });
  });
});
