import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { keys, type CacheKey } from '../../cache/keys.ts';
import { openCache } from '../../cache/open-cache.ts';
import type { Manifest } from '../../contracts/manifest.ts';
import { apiPaths, type Purge, type PurgeResult } from '../../contracts/control-api.ts';
import { configFor, silentParts } from '../cache/rigs.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { talkTo, type Reply } from '../support/control-api.ts';
import { deployFolder } from '../support/deploy-folder.ts';
import { origan, type CliRun } from '../support/run-cli.ts';
import { startSystem, type System } from '../support/system.ts';
import { visit } from '../support/visit.ts';
import { waitUntil } from '../support/wait-until.ts';

// What two gateways keep of functions' answers, purged in every way there is: the next request calls the function again.

const HOST = 'purge.test';
const OTHER_HOST = 'other.test';
const PROJECT = 'purged';

// No two calls answer the same.
const FUNCTION = `export default (request) => new Response(crypto.randomUUID(), {
  headers: { 'cache-control': 's-maxage=600', 'cache-tag': 'news, ' + new URL(request.url).pathname.slice(1) },
});`;

let cacheServer: CacheServer;
let cache: Cache;
let system: System;
let deploymentId: string;

beforeAll(async () => {
  cacheServer = await startCacheServer();
  cache = await openClient();
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
  await cache?.close();
  await cacheServer?.close();
});

async function openClient(): Promise<Cache> {
  const client = openCache(configFor(cacheServer.url), silentParts());
  await client.connect();
  return client;
}

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

  describe('of what is known of builds', () => {
    const mapping = keys.domain(HOST);
    const manifest = (): CacheKey<Manifest> => keys.deploymentConfig(deploymentId);
    const both = (): CacheKey<unknown>[] => [mapping, manifest()];
    const kinds: [name: string, body: () => Purge, wanted: () => CacheKey<unknown>[]][] = [
      ['domain', () => ({ kind: 'domain', host: HOST }), () => [mapping]],
      ['deployment', () => ({ kind: 'deployment', deploymentId }), () => [manifest()]],
      ['key', () => ({ kind: 'keys', keys: both().map(({ name }) => name) }), both],
      ['project', () => ({ kind: 'project' }), both],
    ];

    async function stateOf(wanted: readonly CacheKey<unknown>[]): Promise<string> {
      // One that has no copies of its own.
      const looker = await openClient();
      const found = await looker.getMany(wanted);
      await looker.close();
      const states = found.map((lookup) =>
        lookup.kind === 'hit' ? (lookup.isStale ? 'stale' : 'fresh') : lookup.kind,
      );
      return [...new Set(states)].join();
    }

    async function fill(): Promise<void> {
      await cache.set(manifest(), { version: 1, resources: [] });
      await waitUntil(async () => {
        await Promise.all([look('/b', 0), look('/b', 1)]);
        return (await stateOf(both())) === 'fresh';
      });
    }

    // Again where a gateway, confirming what it used a moment ago, asked anew before this could look.
    const untilSeen = (body: Purge, wanted: readonly CacheKey<unknown>[], state: string): Promise<void> =>
      waitUntil(async () => {
        await fill();
        expect(await purge(body)).toMatchObject({ isComplete: true, acknowledged: { length: 2 } });
        return (await stateOf(wanted)) === state;
      });

    test.each(kinds)('soft, by %s: stale until a gateway has asked anew', async (_name, body, wanted) => {
      await untilSeen({ ...body(), isSoft: true }, wanted(), 'stale');
      for (const gateway of [0, 1]) expect((await look('/', gateway)).text).toBe('a page');
      await waitUntil(async () => (await stateOf([mapping])) === 'fresh');
    });

    test.each(kinds)('hard, by %s: gone', async (_name, body, wanted) => {
      await untilSeen(body(), wanted(), 'miss');
      for (const gateway of [0, 1]) expect((await look('/', gateway)).text).toBe('a page');
    });
  });

  test('by key takes no key of anybody else, and none that is no project’s', async () => {
    const { send } = talkTo(system.controlApi.url);
    const statusOf = async (name: string): Promise<number> => {
      const body = { kind: 'keys', keys: [name] };
      return (await send('POST', apiPaths.purge(PROJECT), body, system.token)).status;
    };
    expect(await statusOf(`domain:${OTHER_HOST}`)).toBe(404);
    expect(await statusOf(`deployment:${crypto.randomUUID()}:config`)).toBe(404);
    const unknown = ['domain:', 'bus', 'hot:keys', 'user:1:orgs', 'deployment:1:config', 'project:x:config'];
    for (const name of unknown) expect([name, await statusOf(name)]).toEqual([name, 400]);
    expect(await statusOf(`project:${PROJECT}:config`)).toBe(200);
    expect(await statusOf(`response:${deploymentId}:abc`)).toBe(200);
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
    for (const kind of ['domain', 'deployment', 'urls', 'tags', 'keys', 'project']) {
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

  test('--key', async () => {
    const name = `domain:${HOST}`;
    await waitUntil(async () => {
      await look('/b', 0);
      expect((await run('--key', name, '--soft')).out).toMatch(/1 key ended on 2 of 2 gateways after/);
      const found = await cache.get(keys.domain(HOST));
      return found.kind === 'hit' && found.isStale;
    });
    expect((await run('--key', name)).code).toBe(0);
    expect(await run('--key', 'bus')).toMatchObject({ code: 2, err: expect.stringMatching(/no key of/) });
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
      err: expect.stringMatching(/--url, --tag, --key and --all must say/),
    });
  });
});
