import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { adminPaths } from '../../contracts/control-api-admin.ts';
import { apiPaths } from '../../contracts/control-api.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { manifestOf, talkTo } from '../support/control-api.ts';
import { startPostgres, type PostgresServer } from '../support/postgres.ts';
import { deployFolder } from '../support/deploy-folder.ts';
import { startNode } from '../support/process.ts';
import { origan } from '../support/run-cli.ts';
import { writeFolder } from '../support/site-folder.ts';
import { ADMIN_TOKEN, startSystem, type System } from '../support/system.ts';
import { checkClean, holdWalk, make, takeTrack, WALKED, type Case } from './failure-cases.ts';

// Every command of the program itself, in every way in which it can fail: one clear message, the exit code of docs/cli.md,
// nothing on standard output, no stack and no secret.

const CACHE_PASSWORD = 'secret-password-of-the-cache';
const WRONG_TOKEN = 'secret-token-of-nobody';
const WRONG_PASSWORD = 'secret-password-that-is-wrong';
const VALUE = 'secret-value-of-a-variable';
const NOBODY = 'http://127.0.0.1:1';
const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000';

let server: CacheServer;
let postgres: PostgresServer;
let system: System;
let viewer = '';
let pending = '';
/** The host that the project has of itself. */
let ownHost = '';
/** A folder with a page and nothing else, and one with an `origan.json`. */
let folder = '';
let configured = '';

beforeAll(async () => {
  server = await startCacheServer({ password: CACHE_PASSWORD });
  postgres = await startPostgres();
  const DATABASE_URL = await postgres.createDatabase();
  system = await startSystem({
    env: { CACHE_URL: server.url, CACHE_PASSWORD, CACHE_TIMEOUT_MS: '5000', DATABASE_URL },
  });
  folder = await writeFolder({ 'index.html': '<p>page</p>' });
  configured = await writeFolder({ 'index.html': '<p>page</p>', 'origan.json': '{"project":"site"}' });
  const api = talkTo(system.controlApi.url);
  const send = async (method: string, path: string, body: unknown): Promise<{ token: string }> =>
    (await api.send(method, path, body, ADMIN_TOKEN)).body;
  for (const project of ['site', 'other']) {
    const files = { 'index.html': `<p>${project}</p>` };
    await deployFolder({ apiUrl: api.url, token: ADMIN_TOKEN, files, host: `${project}.test`, project });
  }
  await send('POST', apiPaths.projects(), { name: 'fresh' });
  const manifest = manifestOf([{ path: '/index.html', content: 'pending' }]);
  const begun = await api.send('POST', apiPaths.deployments('site'), { manifest }, ADMIN_TOKEN);
  pending = begun.body.deployment.id;
  const { body: site } = await api.send('GET', apiPaths.project('site'), undefined, ADMIN_TOKEN);
  ownHost = `${site.ref}.sites.test`;
  await takeTrack(system, DATABASE_URL);
  await holdWalk(server);
  await send('POST', adminPaths.users(), { name: 'looker' });
  await send('PUT', adminPaths.member('default', 'looker'), { role: 'viewer' });
  ({ token: viewer } = await send('POST', adminPaths.tokens(), { name: 'test', user: 'looker' }));
});
afterAll(async () => {
  await system.close();
  await postgres.close();
  await server.close();
});

const inSite = ['-p', 'site'];
const wrong = make('wrong argument', 2);
const unknown = make('unknown thing', 5);
const conflict = make('conflict', 6);
const walked = (...args: string[]): Case =>
  make('conflict', 6, { env: { CACHE_KEY_PREFIX: WALKED } })(
    /Another process is walking through the keys/,
    ...args,
  );
const unreachable = (...args: string[]): Case =>
  make('no network', 3, { env: { ORIGAN_API_URL: NOBODY } })(
    /could not be reached: connection refused\.$/,
    ...args,
  );
const stranger = (...args: string[]): Case =>
  make('wrong token', 4, { env: { ORIGAN_TOKEN: WRONG_TOKEN } })(/token/, ...args);
const forbidden = (...args: string[]): Case => ({
  ...make('missing right', 4)(/right to (?:deploy|manage)|administrator/, ...args),
  env: { ORIGAN_TOKEN: 'viewer' },
});
/** What every command is that asks the control API. */
const api = (...args: string[]): Case[] => [unreachable(...args), stranger(...args)];
/** What every command is that asks the control API about a project. */
const project = (...args: string[]): Case[] => [
  ...api(...args, ...inSite),
  unknown(/no-such-project/, ...args, '-p', 'no-such-project'),
  wrong(/^Error: No project is named\.$/, ...args),
];
/** What every command is that talks to the cache server itself. */
const cache = (...args: string[]): Case[] => [
  make('no cache server', 2, { env: { CACHE_URL: '' } })(/No cache server is named/, ...args),
  make('cache server down', 3, { env: { CACHE_URL: 'redis://127.0.0.1:1' } })(
    /127\.0\.0\.1:1 cannot be used/,
    ...args,
  ),
  make('wrong password', 3, { env: { CACHE_PASSWORD: WRONG_PASSWORD } })(/cannot be used/, ...args),
];

const rows: readonly (readonly [command: string, cases: () => Case[]])[] = [
  ['login', () => [wrong(/too many arguments/, 'login', 'x'), ...api('login')]],
  ['logout', () => [wrong(/http\(s\) URL/, 'logout', '--api-url', 'ftp://x')]],
  ['whoami', () => [wrong(/unknown option '--who'/, 'whoami', '--who'), ...api('whoami')]],
  [
    'init',
    () => [
      wrong(/name/, 'init', '-p', 'Not A Name'),
      ...api('init', '-p', 'new-one'),
      forbidden('init', '-p', 'new-one'),
      unknown(/organization/, 'init', '-p', 'new-one', '--organization', 'none'),
      { ...conflict(/origan\.json is there already/, 'init'), cwd: configured },
    ],
  ],
  [
    'deploy',
    () => [
      wrong(/no-such-folder/, 'deploy', '/no-such-folder', ...inSite),
      wrong(/index\.html is a file, not a folder/, 'deploy', `${folder}/index.html`, ...inSite),
      wrong(/NAME=value/, 'deploy', folder, ...inSite, '--env', 'nothing'),
      wrong(/"http:\/\/x\/" is no domain name/, 'deploy', folder, ...inSite, '-d', 'http://x/'),
      ...project('deploy', folder),
      forbidden('deploy', folder, ...inSite, '--env', `SECRET=${VALUE}`),
      conflict(/other\.test belongs to another project/, 'deploy', folder, ...inSite, '-d', 'other.test'),
      conflict(/Another deploy to the track taken is under way/, 'deploy', folder, ...inSite, '-t', 'taken'),
    ],
  ],
  ['deployments', () => [wrong(/number from 1/, 'deployments', '-n', 'many'), ...project('deployments')]],
  [
    'promote',
    () => [
      wrong(/missing required argument/, 'promote'),
      wrong(/xyz is no id/, 'promote', 'xyz', ...inSite),
      ...project('promote', UNKNOWN_ID),
      forbidden('promote', UNKNOWN_ID, ...inSite),
      unknown(/no deployment/, 'promote', UNKNOWN_ID, ...inSite),
      unknown(/no deployment 00000000/, 'promote', '00000000', ...inSite),
      conflict(/pending|not been finished|success/, 'promote', pending, ...inSite),
    ],
  ],
  [
    'rollback',
    () => [
      wrong(/x is no id/, 'rollback', '--to', 'x', ...inSite),
      ...project('rollback'),
      forbidden('rollback', ...inSite),
      unknown(/no deployment/, 'rollback', '--to', UNKNOWN_ID, ...inSite),
      unknown(/nowhere/, 'rollback', '-t', 'nowhere', ...inSite),
      conflict(/before|previous|earlier/, 'rollback', ...inSite),
    ],
  ],
  ['domains ls', () => [wrong(/unknown option/, 'domains', 'ls', '--nothing'), ...project('domains', 'ls')]],
  [
    'domains add',
    () => [
      wrong(/a b is no host name/, 'domains', 'add', 'a b', ...inSite),
      ...project('domains', 'add', 'a.example'),
      forbidden('domains', 'add', 'a.example', ...inSite),
      conflict(/other\.test belongs to another project/, 'domains', 'add', 'other.test', ...inSite),
    ],
  ],
  [
    'domains rm',
    () => [
      wrong(/missing required argument/, 'domains', 'rm', ...inSite),
      ...project('domains', 'rm', 'site.test'),
      forbidden('domains', 'rm', 'site.test', ...inSite),
      unknown(/no domain "unknown\.example"/, 'domains', 'rm', 'unknown.example', ...inSite),
      unknown(/no domain "other\.test"/, 'domains', 'rm', 'other.test', ...inSite),
      conflict(/belongs to the project itself/, 'domains', 'rm', ownHost, ...inSite),
    ],
  ],
  ['tracks ls', () => [wrong(/unknown option/, 'tracks', 'ls', '--nothing'), ...project('tracks', 'ls')]],
  [
    'tracks keep',
    () => [
      wrong(/must be a number/, 'tracks', 'keep', 'production', 'some', ...inSite),
      ...project('tracks', 'keep', 'production', '3'),
      forbidden('tracks', 'keep', 'production', '3', ...inSite),
      unknown(/nowhere/, 'tracks', 'keep', 'nowhere', '3', ...inSite),
    ],
  ],
  [
    'env ls',
    () => [
      wrong(/unknown option/, 'env', 'ls', '--nothing'),
      ...project('env', 'ls'),
      forbidden('env', 'ls', '--reveal', ...inSite),
    ],
  ],
  [
    'env set',
    () => [
      wrong(/No variable is named/, 'env', 'set', ...inSite),
      wrong(/NAME=value/, 'env', 'set', VALUE, ...inSite),
      wrong(/no-such-file/, 'env', 'set', '--file', '/no-such-file', ...inSite),
      ...project('env', 'set', `SECRET=${VALUE}`),
      forbidden('env', 'set', `SECRET=${VALUE}`, ...inSite),
    ],
  ],
  [
    'env rm',
    () => [
      wrong(/missing required argument/, 'env', 'rm', ...inSite),
      wrong(/letters, digits/, 'env', 'rm', '1-2', ...inSite),
      ...project('env', 'rm', 'SECRET'),
      forbidden('env', 'rm', 'SECRET', ...inSite),
    ],
  ],
  [
    'logs',
    () => [
      wrong(/Allowed choices are debug, info, warn, error/, 'logs', '--level', 'loud', ...inSite),
      wrong(/such as 10m/, 'logs', '--since', 'yesterday', ...inSite),
      wrong(/cannot be used with option/, 'logs', '-t', 'a', '-d', 'b.test', ...inSite),
      wrong(/xyz is no id of a build/, 'logs', 'xyz', ...inSite),
      wrong(/a b is no host name/, 'logs', '-d', 'a b', ...inSite),
      ...project('logs'),
      ...project('logs', '-f'),
      unknown(/no build/, 'logs', UNKNOWN_ID, ...inSite),
      unknown(/no deployment/, 'logs', '--deployment', UNKNOWN_ID, ...inSite),
      unknown(/nothing at "unknown\.example"/, 'logs', '-d', 'unknown.example', ...inSite),
      unknown(/nothing at "other\.test"/, 'logs', '-f', '-d', 'other.test', ...inSite),
      unknown(/no track "nowhere"/, 'logs', '-t', 'nowhere', ...inSite),
    ],
  ],
  [
    'open',
    () => [
      wrong(/too many arguments/, 'open', 'x', ...inSite),
      ...project('open', '--print'),
      unknown(/nowhere shows nothing/, 'open', '--print', '-t', 'nowhere', ...inSite),
    ],
  ],
  ['cache stats', () => [wrong(/too many arguments/, 'cache', 'stats', 'x'), ...cache('cache', 'stats')]],
  [
    'cache get',
    () => [
      wrong(/token:x is no key that can be shown/, 'cache', 'get', 'token:x'),
      ...cache('cache', 'get', 'domain:x'),
      unknown(/has no domain:unknown\.example/, 'cache', 'get', 'domain:unknown.example'),
    ],
  ],
  [
    'cache keys',
    () => [
      wrong(/number from 1/, 'cache', 'keys', '-n', '0'),
      ...cache('cache', 'keys'),
      walked('cache', 'keys'),
    ],
  ],
  [
    'cache purge',
    () => [
      wrong(/must say what to purge/, 'cache', 'purge', ...inSite),
      wrong(/no host name/, 'cache', 'purge', '--domain', 'a b', ...inSite),
      ...project('cache', 'purge', '--all'),
      forbidden('cache', 'purge', '--all', ...inSite),
      unknown(/unknown\.example/, 'cache', 'purge', '--domain', 'unknown.example', ...inSite),
      unknown(/other\.test/, 'cache', 'purge', '--domain', 'other.test', ...inSite),
      unknown(/no deployment/, 'cache', 'purge', '--deployment', UNKNOWN_ID, ...inSite),
    ],
  ],
  [
    'cache warm',
    () => [wrong(/a b is no host name/, 'cache', 'warm', 'a b'), ...cache('cache', 'warm', 'site.test')],
  ],
  [
    'cache sweep',
    () => [
      wrong(/unknown option/, 'cache', 'sweep', '--all'),
      ...cache('cache', 'sweep'),
      ...api('cache', 'sweep'),
      forbidden('cache', 'sweep'),
      walked('cache', 'sweep'),
    ],
  ],
  [
    'explain',
    () => [
      wrong(/is no URL/, 'explain', 'http://['),
      wrong(/is no URL/, 'explain', 'ftp://site.test/'),
      make('no network', 3)(
        /No gateway answers at http:\/\/127\.0\.0\.1:1/,
        'explain',
        'site.test',
        '-g',
        NOBODY,
      ),
      unknown(/./, 'explain', 'unknown.example', '-g', system.gateways[0]?.adminUrl ?? ''),
    ],
  ],
  ['completion', () => [wrong(/Allowed choices are bash, zsh, fish/, 'completion', 'cmd')]],
];

// Several at a time: most of a case is the wait for a server that is not there.
vi.setConfig({ testTimeout: 600_000, maxConcurrency: 3 });
test.concurrent.each(rows)('origan %s says what is wrong in one message', async (_command, cases) => {
  for (const given of cases()) {
    await checkProgram(given);
    await checkJson(given);
  }
});

test('no command is left out', async () => {
  const tested = rows.map(([command]) => command);
  const leaves = async (words: readonly string[]): Promise<string[]> => {
    if (tested.includes(words.join(' '))) return [words.join(' ')];
    const { out } = await origan(['__complete', '--', ...words, '']);
    const names = out.split('\n').filter((name) => name !== '');
    if (names.length === 0) return [words.join(' ')];
    return (await Promise.all(names.map((name) => leaves([...words, name])))).flat();
  };
  expect((await leaves([])).toSorted()).toEqual([...tested, 'doctor'].toSorted());
  const isLocal = new Set(['logout', 'completion']);
  for (const [command, cases] of rows) {
    const situations = new Set(cases().map(({ situation }) => situation));
    expect([command, situations.has('wrong argument')]).toEqual([command, true]);
    const isReached = situations.has('no network') || situations.has('cache server down');
    expect([command, isReached || isLocal.has(command)]).toEqual([command, true]);
  }
});

test('origan doctor says of each part what is wrong and how to mend it', async () => {
  const env = { ORIGAN_API_URL: NOBODY, CACHE_URL: 'redis://127.0.0.1:1', ORIGAN_TOKEN: WRONG_TOKEN };
  const args = ['doctor', '-g', NOBODY];
  const program = startNode('cli/main.ts', { args, env });
  expect((await program.exited).code).toBe(1);
  expect(program.stdout().match(/WRONG .*\n +-> .*/g)?.length).toBeGreaterThanOrEqual(3);
  expect(program.stderr()).toMatch(/^Error: \d checks failed\.\n$/);
  checkClean(program.stdout() + program.stderr(), secrets());
  const { code, out, err } = await origan([...args, '--json'], { env });
  expect([code, err, JSON.parse(out).findings.length]).toEqual([1, '', expect.any(Number)]);
  expect((await origan(['doctor', '--nothing'])).code).toBe(2);
});

async function checkProgram({ args, cwd, ...given }: Case): Promise<void> {
  // Starts in half the time: there are more than a hundred.
  const home = { XDG_CONFIG_HOME: folder, HOME: folder, NODE_COMPILE_CACHE: `${configured}/.cache` };
  const main = `${process.cwd()}/cli/main.ts`;
  const program = startNode(main, { args, cwd: cwd ?? folder, env: { ...home, ...environment(given) } });
  const { code } = await program.exited;
  const [out, err] = [program.stdout(), program.stderr()];
  const seen = { args, situation: given.situation, code, out, err };
  expect(seen).toMatchObject({ code: given.code, out: '', err: expect.stringMatching(/^Error: /m) });
  const [, ...messages] = `\n${err}`.split(/\n(?=Error: )/);
  expect({ ...seen, messages }).toMatchObject({
    messages: [expect.stringMatching(new RegExp(given.says, 'm'))],
  });
  const lines = (messages[0] ?? '').trimEnd().split('\n');
  expect({ ...seen, isShort: lines.length <= 3 && lines.every((line) => line.length < 300) }).toMatchObject({
    isShort: true,
  });
  checkClean(out + err, secrets());
}

async function checkJson({ args, cwd, ...given }: Case): Promise<void> {
  const options = { env: environment(given), cwd: cwd ?? folder };
  const { code, out, err } = await origan([...args, '--json'], options);
  expect({ args, code, out, err }).toMatchObject({
    code: given.code,
    out: expect.stringMatching(/^\{.*\}\n$/),
    err: '',
  });
  const { error } = JSON.parse(out);
  expect(error).toEqual({
    code: expect.stringMatching(/^[A-Z_]+$/),
    message: expect.stringMatching(/./),
    ...('hint' in error ? { hint: expect.stringMatching(/./) } : {}),
  });
  expect(`Error: ${error.message}`).toMatch(new RegExp(given.says, 'm'));
  checkClean(out, secrets());
}

function environment({ env = {} }: Pick<Case, 'env'>): Record<string, string> {
  const all = {
    ORIGAN_API_URL: system.controlApi.url,
    ORIGAN_TOKEN: ADMIN_TOKEN,
    CACHE_URL: server.url,
    CACHE_PASSWORD,
    ...env,
  };
  return all.ORIGAN_TOKEN === 'viewer' ? { ...all, ORIGAN_TOKEN: viewer } : all;
}

function secrets(): string[] {
  return [ADMIN_TOKEN, viewer, WRONG_TOKEN, CACHE_PASSWORD, WRONG_PASSWORD, VALUE];
}
