import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { apiPaths } from '../../contracts/control-api.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { talkTo, type Reply } from '../support/control-api.ts';
import { deployFolder } from '../support/deploy-folder.ts';
import { origan, type CliRun } from '../support/run-cli.ts';
import { startSystem, type System } from '../support/system.ts';
import { visit, type Visit } from '../support/visit.ts';

// `*.preview.example.com`: every name one level below shows what the wildcard does, unless it has a domain of its own.

let cacheServer: CacheServer;
let system: System;
// Each test, and each further run of one, has a project and a wildcard of its own.
let round = 0;
let project: string;
let base: string;
let wildcard: string;

const deploy = (to: string, content: string): ReturnType<typeof deployFolder> =>
  deployFolder({
    apiUrl: system.controlApi.url,
    token: system.token,
    files: { 'index.html': content },
    host: `${to}.test`,
    project: to,
  });

beforeAll(async () => {
  cacheServer = await startCacheServer();
  system = await startSystem({ env: { CACHE_URL: cacheServer.url } });
  await deploy('single', 'its own site');
});

beforeEach(async () => {
  round += 1;
  project = `many-${round}`;
  base = `preview-${round}.example.com`;
  wildcard = `*.${base}`;
  await deploy(project, 'first build');
});

afterAll(async () => {
  await system?.close();
  await cacheServer?.close();
});

const run = (...args: string[]): Promise<CliRun> =>
  origan(args, { env: { ORIGAN_API_URL: system.controlApi.url, ORIGAN_TOKEN: system.token } });
const look = (host: string, headers: Record<string, string> = {}): Promise<Visit> =>
  visit(system.gateways[0]?.port ?? 0, host, '/', { headers });
const shown = async (host: string): Promise<[number, string]> => {
  const { status, text } = await look(host);
  return [status, status === 200 ? text : ''];
};
const send = (method: string, path: string, body?: unknown): Promise<Reply> =>
  talkTo(system.controlApi.url).send(method, path, body, system.token);

test('a wildcard domain is added by the command, and counts at once for names that were unknown before', async () => {
  expect(await shown(`a.${base}`)).toEqual([404, '']);
  const spelled = `*.P${base.slice(1).replace('example', 'Example')}.`;
  const { code, out } = await run('domains', 'add', spelled, '-p', project);
  expect([code, out]).toEqual([0, expect.stringContaining(`${wildcard} shows the track production`)]);
  for (const host of [`a.${base}`, `B.${base}`, `pr-12--x.${base}:7777`])
    expect(await shown(host)).toEqual([200, 'first build']);
  expect((await run('domains', 'ls', '-p', project)).out).toContain(wildcard);
});

describe('a wildcard domain', () => {
  beforeEach(async () => {
    expect((await run('domains', 'add', wildcard, '-p', project)).code).toBe(0);
  });

  test('stands for one level, and not for the name itself', async () => {
    for (const host of [`a.b.${base}`, base, `x${base}`]) expect(await shown(host)).toEqual([404, '']);
  });

  test('follows its track, at every name', async () => {
    expect(await shown(`a.${base}`)).toEqual([200, 'first build']);
    const { result } = await deploy(project, 'second build');
    expect(result.domains.map(({ host }) => host)).toContain(wildcard);
    for (const host of [`a.${base}`, `b.${base}`, `new.${base}`])
      expect(await shown(host)).toEqual([200, 'second build']);
    await run('rollback', '-p', project);
    expect(await shown(`a.${base}`)).toEqual([200, 'first build']);
  });

  test('remembers recent builds for those who still look at one', async () => {
    await deploy(project, 'second build');
    await run('rollback', '-p', project);
    const [newest] = (await send('GET', apiPaths.deployments(project))).body.deployments;
    const { url } = system.controlApi;
    const input = encodeURIComponent(JSON.stringify({ json: { domain: `a.${base}` } }));
    const reply = await fetch(`${url}/trpc/deployments.getRecentByDomain?input=${input}`);
    const { result } = (await reply.json()) as { result: { data: { json: { builds: unknown[] } } } };
    expect(result.data.json.builds).toEqual([expect.objectContaining({ deploymentId: newest.id })]);
  });

  test('gives way to a name with a domain of its own, and comes back when that goes', async () => {
    await deploy(project, 'second build');
    await run('rollback', '-p', project);
    expect(await shown(`a.${base}`)).toEqual([200, 'first build']);
    const own = await run('domains', 'add', `a.${base}`, '-p', project, '--track', 'other');
    expect(own.code).toBe(0);
    const { result } = await deploy(project, 'third build');
    await run('promote', result.deployment.id, '-p', project, '--track', 'other');
    await run('rollback', '-p', project);
    expect(await shown(`a.${base}`)).toEqual([200, 'third build']);
    expect((await shown(`b.${base}`))[1]).not.toBe('third build');
    expect((await run('domains', 'rm', `a.${base}`, '-p', project)).code).toBe(0);
    expect(await shown(`a.${base}`)).toEqual(await shown(`b.${base}`));
  });

  test('keeps the names below it from other projects', async () => {
    const foreign = await run('domains', 'add', `login.${base}`, '-p', 'single');
    expect(foreign).toMatchObject({
      code: 6,
      err: expect.stringContaining(`${wildcard} belongs to another project`),
    });
    const same = await run('domains', 'add', wildcard, '-p', 'single');
    expect(same).toMatchObject({ code: 6, err: expect.stringContaining('belongs to another project') });
    const deployment = { manifest: { version: 1, resources: [] }, domains: [`x.${base}`] };
    expect((await send('POST', apiPaths.deployments('single'), deployment)).status).toBe(409);
  });

  test('is purged and removed under its own name', async () => {
    expect((await run('cache', 'purge', '-p', project, '--domain', wildcard)).code).toBe(0);
    expect((await shown(`b.${base}`))[0]).toBe(200);
    expect((await run('domains', 'rm', wildcard, '-p', project)).code).toBe(0);
    expect(await shown(`b.${base}`)).toEqual([404, '']);
  });
});

test.each([
  ['*', 'no domain name'],
  ['*.com', 'no domain name'],
  ['*.*.example.com', 'no domain name'],
  ['a.*.example.com', 'no domain name'],
  ['*.example.com:8080', 'no domain name'],
  ['*.127.0.0.1', 'no domain name'],
  ['*.sites.test', "below the platform's own domain"],
  ['*.x.sites.test', "below the platform's own domain"],
])('%s is refused: %s', async (host, why) => {
  const reply = await send('POST', apiPaths.domains(project), { host });
  expect([reply.status, reply.body.error.message]).toEqual([400, expect.stringContaining(why)]);
});
