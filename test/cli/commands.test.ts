import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adminPaths } from '../../contracts/control-api-admin.ts';
import { apiPaths, type FlipResult } from '../../contracts/control-api.ts';
import { settingsPath } from '../../cli/settings.ts';
import { deploy, startTestControlApi, TEST_TOKEN, type TestControlApi } from '../support/control-api.ts';
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

const run = (args: readonly string[], options: RunOptions = {}): Promise<CliRun> =>
  origan(args, { ...options, env: { ORIGAN_API_URL: api.url, ORIGAN_TOKEN: TEST_TOKEN, ...options.env } });

async function json(args: readonly string[], options: RunOptions = {}): Promise<unknown> {
  const { code, out, err } = await run([...args, '--json'], options);
  expect([code, err]).toEqual([0, '']);
  return JSON.parse(out);
}

async function newProject(): Promise<string> {
  projects += 1;
  const name = `commands-${projects}`;
  await api.send('POST', apiPaths.projects(), { name });
  return name;
}

const show = (project: string, text: string, more: Record<string, unknown> = {}): Promise<FlipResult> =>
  deploy(api, project, [{ path: '/index.html', content: text }], more);

/** A token of a user who may look at the organization's projects and no more. */
async function viewerToken(): Promise<string> {
  const name = `viewer-${projects}`;
  expect((await api.send('POST', adminPaths.users(), { name })).status).toBe(201);
  const token = await api.send('POST', adminPaths.tokens(), { name: 'test', user: name });
  await api.send('PUT', adminPaths.member('default', name), { role: 'viewer' });
  return token.body.token;
}

describe('login', () => {
  test('keeps a token that works, for this installation only', async () => {
    const home = await siteFolder({});
    const env = { XDG_CONFIG_HOME: home, ORIGAN_API_URL: api.url };
    const piped = await origan(['login'], { env, input: `${TEST_TOKEN}\n` });
    expect([piped.code, piped.out.includes('You are admin')]).toEqual([0, true]);
    expect(piped.out + piped.err).not.toContain(TEST_TOKEN);
    expect(JSON.parse(await readFile(settingsPath(env), 'utf8'))).toEqual({
      apiUrl: api.url,
      tokens: { [api.url]: TEST_TOKEN },
    });
    expect((await origan(['whoami'], { env: { XDG_CONFIG_HOME: home } })).code).toBe(0);
    expect((await origan(['logout'], { env })).out).toContain('is forgotten');
    expect((await origan(['whoami'], { env })).code).toBe(4);
    expect((await origan(['logout'], { env })).out).toContain('No token was kept');
  });

  test('a wrong token is not kept', async () => {
    const env = { XDG_CONFIG_HOME: await siteFolder({}), ORIGAN_API_URL: api.url };
    expect((await origan(['login', '--token', 'wrong'], { env })).code).toBe(4);
    await expect(readFile(settingsPath(env))).rejects.toThrow('ENOENT');
    expect((await origan(['login'], { env })).err).toContain('No token is given');
  });
});

describe('init', () => {
  test('creates the project and names it; a second time it is there', async () => {
    const cwd = await siteFolder({ 'index.html': '' });
    const { code, out } = await run(['init', '-p', 'made-here', '-d', 'made.example'], { cwd });
    expect([code, out.includes('made-here')]).toEqual([0, true]);
    const file = join(cwd, 'origan.json');
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
      project: 'made-here',
      domain: 'made.example',
    });
    const again = await run(['init'], { cwd });
    expect([again.code, again.err.includes('is there already')]).toEqual([6, true]);
    expect((await run(['init', '-p', 'made-here', '--force'], { cwd })).code).toBe(0);
    expect((await run(['deploy'], { cwd })).code).toBe(0);
  });

  test('a folder whose name is no project name', async () => {
    const cwd = join(await siteFolder({ '123/x': '' }), '123');
    expect((await run(['init'], { cwd })).err).toContain('Pass --project NAME');
  });
});

describe('deployments, promote, rollback', () => {
  test('list, go back, and forward again', async () => {
    const project = await newProject();
    const first = await show(project, 'one', {
      source: { branch: 'main', commit: 'a'.repeat(40), message: 'First' },
    });
    const second = await show(project, 'two');
    const listed = await run(['deployments', '-p', project]);
    const [, newest = '', oldest = ''] = listed.out.split('\n');
    expect(newest).toMatch(new RegExp(`^${second.deployment.id.slice(0, 8)} +production +live `));
    expect(oldest).toMatch(
      new RegExp(`^${first.deployment.id.slice(0, 8)} +production +success .*main aaaaaaa First`),
    );

    const back = await run(['rollback', '-p', project]);
    expect([back.code, back.out.startsWith(`${first.deployment.id.slice(0, 8)} is live`)]).toEqual([0, true]);
    const forward = await json(['promote', second.deployment.id.slice(0, 8), '-p', project]);
    expect(forward).toMatchObject({ outcome: 'live', deployment: { id: second.deployment.id } });
    const to = await json(['rollback', '--to', first.deployment.id.slice(0, 6), '-p', project]);
    expect(to).toMatchObject({ deployment: { id: first.deployment.id } });
    expect(await json(['deployments', '-p', project, '-n', '1'])).toMatchObject({
      deployments: [{ id: second.deployment.id }],
    });
  });

  test.each([
    ['an unknown deployment', ['promote', 'deadbeef'], 5, 'has no deployment deadbeef'],
    ['no id at all', ['promote', 'latest!'], 2, 'is no id of a deployment'],
    ['a missing argument', ['promote'], 2, "missing required argument 'deployment'"],
    ['a wrong limit', ['deployments', '-n', 'many'], 2, 'It must be a number'],
    ['nothing to go back to', ['rollback'], 6, ''],
  ])('%s', async (_, args, code, message) => {
    const project = await newProject();
    await show(project, 'one');
    const result = await run([...args, '-p', project]);
    expect(result.err).toContain(message);
    expect(result.code).toBe(code);
  });
});

describe('domains', () => {
  test('add, list, remove', async () => {
    const project = await newProject();
    await show(project, 'one');
    expect((await run(['domains', 'add', 'WWW.Example.', '-p', project])).out).toMatch(
      /^https:\/\/www\.example shows the track production, which is deployment [0-9a-f]{8}\.\n$/,
    );
    const { out } = await run(['domains', '-p', project]);
    expect(out).toMatch(/https:\/\/www\.example +custom +production/);
    expect(out).not.toContain('deployment ');
    expect((await run(['domains', 'ls', '--all', '-p', project])).out.split('\n').length).toBeGreaterThan(
      out.split('\n').length,
    );
    expect((await run(['domains', 'rm', 'www.example', '-p', project])).code).toBe(0);
    expect((await run(['domains', 'ls', '-p', project])).out).not.toContain('www.example');
  });

  test('an unknown one, a taken one, a malformed one', async () => {
    const [mine, theirs] = [await newProject(), await newProject()];
    await run(['domains', 'add', 'theirs.example', '-p', theirs]);
    expect((await run(['domains', 'rm', 'nobody.example', '-p', mine])).code).toBe(5);
    expect((await run(['domains', 'add', 'theirs.example', '-p', mine])).code).toBe(6);
    expect((await run(['domains', 'add', 'https://a.example/', '-p', mine])).err).toContain(
      'is no host name',
    );
  });
});

test('open prints the custom domain before the track’s own, and says when nothing is shown', async () => {
  const project = await newProject();
  expect((await run(['open', '--print', '-p', project])).code).toBe(5);
  const { domains } = await show(project, 'one');
  expect(domains.map(({ url }) => `${url}\n`)).toContain((await run(['open', '--print', '-p', project])).out);
  await run(['domains', 'add', 'shown.example', '-p', project]);
  expect((await run(['open', '--print', '-p', project])).out).toBe('https://shown.example\n');
});

describe('env', () => {
  test('set, list, remove; values are shown only when asked for', async () => {
    const project = await newProject();
    const file = join(await siteFolder({ '.env': 'FROM_FILE="a b"\n' }), '.env');
    const set = await run(['env', 'set', 'SECRET=hunter2', 'OTHER=x', '--file', file, '-p', project]);
    expect([set.code, (set.out + set.err).includes('hunter2')]).toEqual([0, false]);
    const listed = await run(['env', '-p', project]);
    expect(listed.out).toMatch(/FROM_FILE +\(hidden\)\nOTHER +\(hidden\)\nSECRET +\(hidden\)\n/);
    expect((await run(['env', 'ls', '--reveal', '-p', project])).out).toMatch(/FROM_FILE +a b\n/);
    expect(await json(['env', 'rm', 'OTHER', '-p', project])).toMatchObject({
      names: ['FROM_FILE', 'SECRET'],
    });
    expect((await run(['env', 'ls', '-t', 'pr-1', '-p', project])).out).toContain('preview has no variables');
    expect((await run(['env', 'set', '-p', project])).code).toBe(2);
  });

  test('names that nothing has, or that only the platform sets, and tracks that are none are said to be', async () => {
    const project = await newProject();
    await run(['env', 'set', 'A=1', 'B=2', '-p', project]);
    const removed = await run(['env', 'rm', 'B', 'NONE', '-p', project]);
    expect([removed.code, removed.out]).toEqual([5, '']);
    expect(removed.err).toContain('The environment production had no NONE. The others were removed.');
    expect(await json(['env', '-p', project])).toMatchObject({ names: ['A'] });
    const own = await run(['env', 'set', 'ORIGAN_PROJECT_ID=mine', '-p', project]);
    expect([own.code, own.err]).toEqual([2, expect.stringContaining('is set by the platform')]);
    const track = await run(['env', 'set', 'A=1', '-t', 'No Track', '-p', project]);
    expect([track.code, track.err]).toEqual([2, expect.stringContaining('"No Track" is no name of a track')]);
  });

  test('values of several lines keep to their row', async () => {
    const project = await newProject();
    await run(['env', 'set', 'LINES=one\ntwo\u001B[2J', '-p', project]);
    const { out } = await run(['env', 'ls', '--reveal', '-p', project]);
    expect(out).toMatch(/LINES +"one\\ntwo\\u001b\[2J"\n/);
  });

  test('deploy sets them before the deployment begins', async () => {
    const project = await newProject();
    const root = await siteFolder({ 'index.html': '' });
    const { code, out, err } = await run(['deploy', root, '-p', project, '-e', 'TOKEN=hunter2']);
    expect([code, (out + err).includes('hunter2')]).toEqual([0, false]);
    expect(await json(['env', 'ls', '-p', project])).toMatchObject({ name: 'production', names: ['TOKEN'] });
  });
});

describe('logs', () => {
  const line = (message: string, level = 'info'): Record<string, string> => ({
    timestamp: '2026-01-01T00:00:00.000Z',
    level,
    message,
  });

  test('prints a build’s log, the newest build’s by default, nothing that could drive the terminal', async () => {
    const project = await newProject();
    expect((await run(['logs', '-p', project])).err).toBe('Nothing is shown on production yet.\n');
    const { body: build } = await api.send('POST', adminPaths.builds(project), {});
    const entries = [line('first'), line('\u001B[31mred\u001B[0m\u001B[2J\u0007', 'error')];
    await api.send('POST', adminPaths.buildLogs(project, build.id), { entries });
    const { code, out } = await run(['logs', '-p', project]);
    expect([code, out]).toEqual([
      0,
      '2026-01-01T00:00:00.000Z info  build first\n2026-01-01T00:00:00.000Z error build red\n',
    ]);
    const scripted = await run(['logs', build.id, '-p', project, '--json']);
    expect(
      scripted.out
        .trim()
        .split('\n')
        .map((text) => JSON.parse(text)),
    ).toEqual(entries.map((entry) => ({ ...entry, source: 'build', buildId: build.id })));
  });

  test('follows until the build ends, every line once and in order', async () => {
    const project = await newProject();
    const { body: build } = await api.send('POST', adminPaths.builds(project), {});
    const append = (...messages: string[]): Promise<unknown> =>
      api.send('POST', adminPaths.buildLogs(project, build.id), {
        entries: messages.map((text) => line(text)),
      });
    await append('1', '2');
    const write = async (): Promise<void> => {
      for (const message of ['3', '4', '5']) await append(message);
      await api.send('PATCH', adminPaths.build(project, build.id), { status: 'completed' });
    };
    const [{ code, out }] = await Promise.all([
      run(['logs', build.id, '-f', '-p', project, '--json']),
      write(),
    ]);
    const messages = out
      .trim()
      .split('\n')
      .map((text) => (JSON.parse(text) as { message: string }).message);
    expect([code, messages]).toEqual([0, ['1', '2', '3', '4', '5']]);
  });
});

describe('every command', () => {
  const commands = [
    ['deployments'],
    ['promote', '00000000-0000-4000-8000-000000000000'],
    ['rollback'],
    ['domains', 'ls'],
    ['domains', 'add', 'a.example'],
    ['domains', 'rm', 'a.example'],
    ['env', 'ls'],
    ['env', 'set', 'A=1'],
    ['env', 'rm', 'A'],
    ['cache', 'purge', '--all'],
    ['logs'],
    ['open', '--print'],
  ];

  test.each(commands)(
    '%s %s: no project, no network, wrong token: one clear message each',
    async (...args) => {
      const unnamed = await run(args);
      expect([unnamed.code, unnamed.err]).toEqual([2, expect.stringContaining('No project is named')]);
      const token = await run([...args, '-p', 'x', '--token', 'wrong']);
      expect([token.code, token.err]).toEqual([4, expect.stringContaining('origan login')]);
      const scripted = await run([...args, '-p', 'x', '--token', 'wrong', '--json']);
      expect(JSON.parse(scripted.out)).toMatchObject({ error: { code: 'UNAUTHORIZED' } });
    },
  );

  test('no network', async () => {
    const results = await Promise.all(
      commands.map((args) => run([...args, '-p', 'x', '--api-url', 'http://127.0.0.1:1'])),
    );
    for (const { code, err } of results) {
      expect([code, err]).toEqual([3, expect.stringContaining('could not be reached: connection refused')]);
    }
  });

  test('an unknown project', async () => {
    const results = await Promise.all(commands.map((args) => run([...args, '-p', 'no-such-project'])));
    for (const { code, err } of results) {
      expect([code, err.startsWith('Error: '), err.includes('no-such-project')]).toEqual([5, true, true]);
    }
  });

  test('a missing right', async () => {
    const project = await newProject();
    await show(project, 'one');
    const token = await viewerToken();
    const changing = [['domains', 'add', 'a.example'], ['rollback'], ['env', 'set', 'A=1']];
    for (const args of changing) {
      const { code, err } = await run([...args, '-p', project, '--token', token]);
      expect([args[0], code, err]).toEqual([args[0], 4, expect.stringContaining('Ask an owner')]);
    }
    expect((await run(['deployments', '-p', project, '--token', token])).code).toBe(0);
  });

  test('completes commands, subcommands and options', async () => {
    const complete = async (...words: string[]): Promise<string[]> =>
      (await run(['__complete', '--', ...words])).out.trim().split('\n');
    expect(await complete('dep')).toEqual(['deploy', 'deployments']);
    expect(await complete('domains', '')).toEqual(['add', 'ls', 'rm']);
    expect(await complete('deploy', '--pr')).toEqual(['--preview', '--project']);
    expect(await complete('logs', '--level', '')).toEqual(['debug', 'error', 'info', 'warn']);
    expect(await complete('logs', '-l', 'e')).toEqual(['error']);
    expect(await complete('logs', '--track', '')).toEqual(['']);
    expect(await complete('completion', '')).toEqual(['bash', 'fish', 'zsh']);
    expect(await complete('completion', 'bash', '')).toEqual(['']);
    for (const shell of ['bash', 'zsh', 'fish'])
      expect((await run(['completion', shell])).out).toContain('__complete');
    expect((await run(['completion', 'cmd'])).code).toBe(2);
  });
});

describe('tracks', () => {
  test('lists them, and changes how many deployments one keeps', async () => {
    const project = await newProject();
    await show(project, 'one');
    await show(project, 'two', { track: 'pr-12' });
    const list = await run(['tracks', '-p', project]);
    expect([list.code, list.out]).toEqual([0, expect.stringMatching(/pr-12 +\w{8} +20 \(default\) +https/)]);
    const kept = await run(['tracks', 'keep', 'pr-12', '1', '-p', project]);
    expect(kept.out).toBe(
      'pr-12 keeps 1 deployment besides the one shown; older ones go with the next sweep.\n',
    );
    expect(await json(['tracks', 'ls', '-p', project])).toMatchObject({
      tracks: [
        { name: 'pr-12', retention: 1, kept: 1 },
        { name: 'production', retention: null, kept: 20 },
      ],
    });
    expect((await run(['tracks', 'keep', 'pr-12', 'default', '-p', project])).out).toContain(
      '20 deployments',
    );
    expect((await run(['tracks', 'keep', 'pr-12', 'some', '-p', project])).code).toBe(2);
    expect((await run(['tracks', 'keep', 'nothing', '1', '-p', project])).code).toBe(5);
    const viewer = await run(['tracks', 'keep', 'pr-12', '1', '-p', project, '--token', await viewerToken()]);
    expect(viewer.code).toBe(4);
  });
});
