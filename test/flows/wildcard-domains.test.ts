import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiPaths } from '../../contracts/control-api.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { talkTo, type Reply } from '../support/control-api.ts';
import { deployFolder } from '../support/deploy-folder.ts';
import { origan, type CliRun } from '../support/run-cli.ts';
import { startSystem, type System } from '../support/system.ts';
import { visit, type Visit } from '../support/visit.ts';

// `*.preview.example.com`: every name one level below shows what the wildcard does, unless it has a domain of its own.

const WILDCARD = '*.preview.example.com';

let cacheServer: CacheServer;
let system: System;

const deploy = (project: string, content: string): ReturnType<typeof deployFolder> =>
  deployFolder({
    apiUrl: system.controlApi.url,
    token: system.token,
    files: { 'index.html': content },
    host: `${project}.test`,
    project,
  });

beforeAll(async () => {
  cacheServer = await startCacheServer();
  system = await startSystem({ env: { CACHE_URL: cacheServer.url } });
  await deploy('many', 'first build');
  await deploy('single', 'its own site');
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

describe('a wildcard domain', () => {
  test('is added by the command, and counts at once for names that were unknown before', async () => {
    expect(await shown('a.preview.example.com')).toEqual([404, '']);
    const { code, out } = await run('domains', 'add', '*.Preview.Example.com.', '-p', 'many');
    expect([code, out]).toEqual([0, expect.stringContaining(`${WILDCARD} shows the track production`)]);
    for (const host of [
      'a.preview.example.com',
      'B.preview.example.com',
      'pr-12--x.preview.example.com:7777',
    ])
      expect(await shown(host)).toEqual([200, 'first build']);
    expect((await run('domains', 'ls', '-p', 'many')).out).toContain(WILDCARD);
  });

  test('stands for one level, and not for the name itself', async () => {
    for (const host of ['a.b.preview.example.com', 'preview.example.com', 'xpreview.example.com'])
      expect(await shown(host)).toEqual([404, '']);
  });

  test('follows its track, at every name', async () => {
    const { result } = await deploy('many', 'second build');
    expect(result.domains.map(({ host }) => host)).toContain(WILDCARD);
    for (const host of ['a.preview.example.com', 'b.preview.example.com', 'new.preview.example.com'])
      expect(await shown(host)).toEqual([200, 'second build']);
    await run('rollback', '-p', 'many');
    expect(await shown('a.preview.example.com')).toEqual([200, 'first build']);
  });

  test('remembers recent builds for those who still look at one', async () => {
    const [newest] = (await send('GET', apiPaths.deployments('many'))).body.deployments;
    const { url } = system.controlApi;
    const input = encodeURIComponent(JSON.stringify({ json: { domain: 'a.preview.example.com' } }));
    const reply = await fetch(`${url}/trpc/deployments.getRecentByDomain?input=${input}`);
    const { result } = (await reply.json()) as { result: { data: { json: { builds: unknown[] } } } };
    expect(result.data.json.builds).toEqual([expect.objectContaining({ deploymentId: newest.id })]);
  });

  test('gives way to a name with a domain of its own, and comes back when that goes', async () => {
    expect(await shown('a.preview.example.com')).toEqual([200, 'first build']);
    const own = await run('domains', 'add', 'a.preview.example.com', '-p', 'many', '--track', 'other');
    expect(own.code).toBe(0);
    await run(
      'promote',
      (await deploy('many', 'third build')).result.deployment.id,
      '-p',
      'many',
      '--track',
      'other',
    );
    await run('rollback', '-p', 'many');
    expect(await shown('a.preview.example.com')).toEqual([200, 'third build']);
    expect((await shown('b.preview.example.com'))[1]).not.toBe('third build');
    expect((await run('domains', 'rm', 'a.preview.example.com', '-p', 'many')).code).toBe(0);
    expect(await shown('a.preview.example.com')).toEqual(await shown('b.preview.example.com'));
  });

  test('keeps the names below it from other projects', async () => {
    const foreign = await run('domains', 'add', 'login.preview.example.com', '-p', 'single');
    expect(foreign).toMatchObject({
      code: 6,
      err: expect.stringContaining(`${WILDCARD} belongs to another project`),
    });
    const same = await run('domains', 'add', WILDCARD, '-p', 'single');
    expect(same).toMatchObject({ code: 6, err: expect.stringContaining('belongs to another project') });
    const deployment = { manifest: { version: 1, resources: [] }, domains: ['x.preview.example.com'] };
    expect((await send('POST', apiPaths.deployments('single'), deployment)).status).toBe(409);
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
    const reply = await send('POST', apiPaths.domains('many'), { host });
    expect([reply.status, reply.body.error.message]).toEqual([400, expect.stringContaining(why)]);
  });

  test('is purged and removed under its own name', async () => {
    expect((await run('cache', 'purge', '-p', 'many', '--domain', WILDCARD)).code).toBe(0);
    expect((await shown('b.preview.example.com'))[0]).toBe(200);
    expect((await run('domains', 'rm', WILDCARD, '-p', 'many')).code).toBe(0);
    expect(await shown('b.preview.example.com')).toEqual([404, '']);
  });
});
