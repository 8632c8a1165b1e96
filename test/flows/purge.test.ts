import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiPaths, type Purge, type PurgeResult } from '../../contracts/control-api.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { talkTo, type Reply } from '../support/control-api.ts';
import { deployFolder } from '../support/deploy-folder.ts';
import { origan, type CliRun } from '../support/run-cli.ts';
import { startSystem, type System } from '../support/system.ts';
import { visit } from '../support/visit.ts';

// What two gateways keep of functions' answers, purged in every way there is: the next request calls the function again.

const HOST = 'purge.test';
const OTHER_HOST = 'other.test';
const PROJECT = 'purged';

// No two calls answer the same.
const FUNCTION = `export default (request) => new Response(crypto.randomUUID(), {
  headers: { 'cache-control': 's-maxage=600', 'cache-tag': 'news, ' + new URL(request.url).pathname.slice(1) },
});`;

let cacheServer: CacheServer;
let system: System;
let deploymentId: string;

beforeAll(async () => {
  cacheServer = await startCacheServer();
  system = await startSystem({ gateways: 2, env: { CACHE_URL: cacheServer.url } });
  const { url: apiUrl } = system.controlApi;
  const files = {
    'index.html': 'a page',
    'functions/[...all].js': FUNCTION,
    'origan.json': JSON.stringify({ cache: { ignoreQuery: ['utm_*'] } }),
  };
  const deploy = { apiUrl, token: system.token, files, project: PROJECT };
  const { result } = await deployFolder({ ...deploy, host: HOST });
  deploymentId = result.deployment.id;
  await deployFolder({ ...deploy, host: OTHER_HOST, project: 'somebody-elses' });
});

afterAll(async () => {
  await system?.close();
  await cacheServer?.close();
});

type Seen = { text: string; status: string };

async function look(path: string, gateway: number, host = HOST): Promise<Seen> {
  const { text, headers } = await visit(system.gateways[gateway]?.port ?? 0, host, path);
  return { text, status: String(headers['cache-status']) };
}

/** What both gateways keep for a path: the same, since one's call serves the other. */
async function keep(path: string, host = HOST): Promise<string> {
  const { text } = await look(path, 0, host);
  for (const gateway of [0, 1, 0, 1]) {
    const again = await look(path, gateway, host);
    expect(again).toEqual({ text, status: expect.stringMatching(/^origan-edge; hit/) });
  }
  return text;
}

const purge = async (body: Purge): Promise<PurgeResult> => {
  const path = apiPaths.purge(PROJECT);
  const reply: Reply = await talkTo(system.controlApi.url).send('POST', path, body, system.token);
  expect(reply.status).toBe(200);
  return reply.body;
};

const ways: [name: string, body: () => Purge][] = [
  ['domain', () => ({ kind: 'domain', host: HOST })],
  ['deployment', () => ({ kind: 'deployment', deploymentId })],
  ['url', () => ({ kind: 'urls', urls: [`https://${HOST}/a?x=1&b=2&utm_source=mail`] })],
  ['tag', () => ({ kind: 'tags', tags: ['a'] })],
  ['project', () => ({ kind: 'project' })],
];

describe('a purge by the control API', () => {
  test.each(ways)('by %s: from its return on the function is called again', async (_name, body) => {
    const before = await keep('/a?b=2&x=1');
    expect(await purge(body())).toMatchObject({ isComplete: true, expired: [] });
    const first = await look('/a?b=2&x=1', 1);
    expect(first.text).not.toBe(before);
    expect(first.status).toMatch(/fwd=uri-miss; fwd-status=200; stored/);
    expect((await look('/a?b=2&x=1', 0)).text).toBe(first.text);
  });

  test.each(ways)('soft, by %s: what is kept is stale, and the function is asked', async (_name, body) => {
    const before = await keep('/a?b=2&x=1');
    expect((await purge({ ...body(), isSoft: true })).isComplete).toBe(true);
    const first = await look('/a?b=2&x=1', 1);
    expect(first.text).not.toBe(before);
    expect(first.status).toMatch(/fwd=stale; fwd-status=200; stored/);
  });

  test('names every gateway that confirmed', async () => {
    const { acknowledged } = await purge({ kind: 'tags', tags: ['news'] });
    expect(acknowledged).toHaveLength(2);
  });

  test('by url or tag ends nothing else', async () => {
    const [other, longer, elsewhere] = [await keep('/b'), await keep('/a/b'), await keep('/a', OTHER_HOST)];
    await keep('/a');
    await purge({ kind: 'urls', urls: [`http://${HOST}/a`] });
    await purge({ kind: 'tags', tags: ['a'] });
    for (const gateway of [0, 1]) {
      expect((await look('/b', gateway)).text).toBe(other);
      expect((await look('/a/b', gateway)).text).toBe(longer);
      expect((await look('/a', gateway, OTHER_HOST)).text).toBe(elsewhere);
    }
  });

  test('of the whole project ends nothing of another one', async () => {
    const elsewhere = await keep('/a', OTHER_HOST);
    await purge({ kind: 'project' });
    expect((await look('/a', 0, OTHER_HOST)).text).toBe(elsewhere);
  });

  test('refuses what is not the project’s, and what is no address', async () => {
    const { send } = talkTo(system.controlApi.url);
    const attempt = async (body: unknown): Promise<[number, string]> => {
      const reply = await send('POST', apiPaths.purge(PROJECT), body, system.token);
      return [reply.status, reply.body.error.message];
    };
    const foreign = await attempt({ kind: 'urls', urls: [`https://${OTHER_HOST}/a`] });
    expect(foreign).toEqual([404, expect.stringContaining(OTHER_HOST)]);
    expect((await attempt({ kind: 'domain', host: OTHER_HOST }))[0]).toBe(404);
    const wrong = await attempt({ kind: 'urls', urls: ['/a'] });
    expect(wrong).toEqual([400, expect.stringMatching(/urls\.0: must be an address such as https/)]);
  });

  test('is the same over tRPC, and described', async () => {
    const before = await keep('/a');
    const { url } = system.controlApi;
    const reply = await fetch(`${url}/trpc/projects.purge`, {
      method: 'POST',
      headers: { authorization: `Bearer ${system.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ json: { project: PROJECT, kind: 'urls', urls: [`https://${HOST}/a`] } }),
    });
    expect(await reply.json()).toMatchObject({ result: { data: { json: { isComplete: true } } } });
    expect((await look('/a', 0)).text).not.toBe(before);
    const description = JSON.stringify(await (await fetch(`${url}/v1/openapi.json`)).json());
    for (const kind of ['domain', 'deployment', 'urls', 'tags', 'project']) {
      expect(description).toContain(`"kind":{"type":"string","const":"${kind}"}`);
    }
  });
});

describe('origan cache purge', () => {
  const run = (...args: string[]): Promise<CliRun> =>
    origan(['cache', 'purge', '-p', PROJECT, ...args], {
      env: { ORIGAN_API_URL: system.controlApi.url, ORIGAN_TOKEN: system.token },
    });

  test.each([
    ['--domain', [HOST]],
    ['--url', [`https://${HOST}/a`]],
    ['--url twice', [`https://${HOST}/b`, '--url', `http://${HOST}/a`]],
    ['--tag', ['a']],
    ['--all', []],
    ['--url, soft', [`https://${HOST}/a`, '--soft']],
  ])('%s', async (option, rest) => {
    const before = await keep('/a');
    const { code, out } = await run(/^--\w+/.exec(option)?.[0] ?? '', ...rest);
    expect([code, out]).toEqual([0, expect.stringMatching(/ended on 2 of 2 gateways after/)]);
    expect((await look('/a', 1)).text).not.toBe(before);
  });

  test('--deployment takes the beginning of an id', async () => {
    const before = await keep('/a');
    expect((await run('--deployment', deploymentId.slice(0, 8))).code).toBe(0);
    expect((await look('/a', 0)).text).not.toBe(before);
  });

  test('says what is wrong', async () => {
    expect(await run('--url', 'nonsense')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/must be an address/),
    });
    expect(await run('--url', 'https://nobody.test/')).toMatchObject({
      code: 5,
      err: expect.stringMatching(/nobody\.test/),
    });
    expect(await run()).toMatchObject({
      code: 2,
      err: expect.stringMatching(/--url, --tag and --all must say/),
    });
  });
});
