import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { keys } from '../../cache/keys.ts';
import { adminPaths } from '../../contracts/control-api-admin.ts';
import { apiPaths, type Role } from '../../contracts/control-api.ts';
import { allOperations } from '../../control-api/operations/all-operations.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import {
  connectCache,
  manifestOf,
  sha256,
  startTestControlApi,
  type Reply,
  type TestControlApi,
} from '../support/control-api.ts';
import { startPostgres, type PostgresServer } from '../support/postgres.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

// Two control APIs on one database and one cache server: what one changes the other must heed at once.
let postgres: PostgresServer;
let cacheServer: CacheServer;
/** Between each of them and the cache server. */
let ways: TcpProxy[] = [];
let dir: TempDir;
let caches: Cache[] = [];
let first: TestControlApi;
let second: TestControlApi;

beforeAll(async () => {
  [postgres, cacheServer, dir] = await Promise.all([
    startPostgres(),
    startCacheServer(),
    makeTempDir('access'),
  ]);
  const env = { DATABASE_URL: await postgres.createDatabase() };
  ways = [await startTcpProxy(cacheServer), await startTcpProxy(cacheServer)];
  caches = await Promise.all(ways.map((way) => connectCache(way)));
  first = await startTestControlApi({ directory: dir.path, env, cache: caches[0] });
  second = await startTestControlApi({ directory: dir.path, env, cache: caches[1] });
  await first.send('POST', apiPaths.projects(), { name: 'shop' });
});
afterAll(async () => {
  await first.close();
  await second.close();
  for (const cache of caches) await cache.close();
  for (const way of ways) await way.close();
  await cacheServer.close();
  await postgres.close();
  await dir.remove();
});

type MadeUser = { id: string; name: string; token: string; tokenId: string };

let users = 0;
/** A new user with a token, in the organization of the project where a role is given. */
async function makeUser(role?: Role): Promise<MadeUser> {
  users += 1;
  const name = `user-${users}`;
  const made = await second.send('POST', adminPaths.users(), { name });
  const { body } = await second.send('POST', adminPaths.tokens(), { name: 'test', user: name });
  if (role !== undefined) await setRole(second, name, role);
  return { id: made.body.id, name, token: body.token, tokenId: body.id };
}

/** What the shared cache says of a user. */
async function permissionsInCache(user: MadeUser): Promise<{ isMember: boolean; isKnown: boolean }> {
  const orgs = await caches[1]?.get(keys.userOrgs(user.id));
  const owner = await caches[1]?.get(keys.apiToken(sha256(user.token)));
  return { isMember: orgs?.kind === 'hit' && orgs.value.length > 0, isKnown: owner?.kind === 'hit' };
}

const setRole = (api: TestControlApi, user: string, role: Role, token?: string): Promise<Reply> =>
  api.send('PUT', adminPaths.member('default', user), { role }, token);

const ANY_ID = '00000000-0000-4000-8000-000000000000';

/** A request to an operation, with parameters that lead to the project `shop`. */
function requestTo(operation: (typeof allOperations)[number]): [method: string, path: string, body: unknown] {
  const values: Record<string, string> = { project: 'shop', organization: 'default', id: ANY_ID };
  const path = (operation.path ?? '').replaceAll(
    /:(\w+)/g,
    (_match, name: string) => values[name] ?? 'something',
  );
  return [operation.method, `/v1${path}`, operation.method === 'GET' ? undefined : {}];
}

const guarded = allOperations.filter(({ isPublic }) => !isPublic);
const named = guarded.map((operation) => [operation.name, operation] as const);

describe('who may do what', () => {
  it('leaves nothing but the look-up of gateways open to everybody', () => {
    const open = allOperations.filter(({ isPublic }) => isPublic).map(({ name }) => name);
    expect(open).toEqual([
      'deployments.getConfigByDomain',
      'deployments.getConfig',
      'deployments.getRecentByDomain',
    ]);
  });

  it.each(named)('%s refuses a request without a valid token', async (_name, operation) => {
    const [method, path, body] = requestTo(operation);
    for (const token of ['', 'x', 'origan_nobodys-token-at-all-00000000000000000']) {
      const reply = await first.send(method, path, body, token);
      expect(reply.status).toBe(401);
      expect(reply.headers.get('www-authenticate')).toBe('Bearer');
      expect(reply.body.error).toMatchObject({ code: 'UNAUTHORIZED', requestId: expect.any(String) });
    }
  });

  it('hides projects and organizations from strangers, by the same answer as for unknown ones', async () => {
    const stranger = await makeUser();
    for (const operation of guarded) {
      const isScoped = 'project' in operation.params.shape || 'organization' in operation.params.shape;
      if (!isScoped) continue;
      const [method, path, body] = requestTo(operation);
      const reply = await first.send(method, path, body, stranger.token);
      expect([operation.name, reply.status]).toEqual([operation.name, 404]);
      const unknown = await first.send(method, path.replace(/shop|default/, 'nothing'), body, stranger.token);
      expect(unknown.body.error.message).toBe(reply.body.error.message.replace(/shop|default/, 'nothing'));
    }
    const upload = await first.send('PUT', apiPaths.object('shop', sha256('x')), undefined, stranger.token);
    expect(upload.status).toBe(404);
    expect((await first.send('GET', apiPaths.projects(), undefined, stranger.token)).body.projects).toEqual(
      [],
    );
  });

  it('lets members deploy to the domains of a track, and add none by the way', async () => {
    const begin = (token: string, track: string): Promise<Reply> => {
      const body = { manifest: manifestOf([]), track, domains: ['shown.example.org'] };
      return first.send('POST', apiPaths.deployments('shop'), body, token);
    };
    const member = await makeUser('member');
    const refused = await begin(member.token, 'production');
    expect([refused.status, refused.body.error.code]).toEqual([403, 'FORBIDDEN']);
    expect(refused.body.error.message).toMatch(/does not have the domain shown\.example\.org/);
    const manager = await makeUser('admin');
    expect((await begin(manager.token, 'production')).status).toBe(201);
    await first.send('POST', apiPaths.domains('shop'), { host: 'shown.example.org' });
    expect((await begin(member.token, 'production')).status).toBe(201);
    // To another track it would be taken away from the one that it has.
    expect((await begin(member.token, 'pr-1')).status).toBe(403);
    expect((await begin(manager.token, 'pr-1')).status).toBe(201);
  });

  it('lets viewers look, members deploy, admins manage and owners own', async () => {
    const rank = { viewer: 0, member: 1, admin: 2, owner: 3 } as const;
    const attempts: [needs: keyof typeof rank, send: (token: string) => Promise<Reply>][] = [
      ['viewer', (token) => first.send('GET', apiPaths.project('shop'), undefined, token)],
      ['viewer', (token) => first.send('GET', apiPaths.deployments('shop'), undefined, token)],
      [
        'member',
        (token) => first.send('POST', apiPaths.deployments('shop'), { manifest: manifestOf([]) }, token),
      ],
      ['member', (token) => first.send('PUT', apiPaths.object('shop', sha256('never')), undefined, token)],
      ['admin', (token) => first.send('POST', apiPaths.domains('shop'), { host: 'a.example.org' }, token)],
      ['admin', (token) => first.send('POST', apiPaths.projects(), { name: `made-${users}` }, token)],
    ];
    for (const role of ['viewer', 'member', 'admin', 'owner'] as const) {
      const user = await makeUser(role);
      for (const [needs, send] of attempts) {
        const isRefused = (await send(user.token)).status === 403;
        expect([role, needs, isRefused]).toEqual([role, needs, rank[role] < rank[needs]]);
      }
    }
  });

  it('lets only owners make owners, and never leaves an organization without one', async () => {
    const admin = await makeUser('admin');
    const other = await makeUser('member');
    expect((await setRole(first, other.name, 'owner', admin.token)).status).toBe(403);
    expect((await setRole(first, 'admin', 'member', admin.token)).status).toBe(403);
    const name = `lonely-${users}`;
    const organization = await first.send('POST', adminPaths.organizations(), { name }, other.token);
    expect(organization.status).toBe(201);
    const leave = await first.send('DELETE', adminPaths.member(name, other.name), undefined, other.token);
    expect(leave.body.error).toMatchObject({ code: 'CONFLICT' });
  });
});

describe('changes take effect at once, on every control API', () => {
  it('a role that is given, lowered and taken away', async () => {
    const user = await makeUser();
    const look = (): Promise<Reply> => second.send('GET', apiPaths.project('shop'), undefined, user.token);
    const publish = (): Promise<Reply> =>
      second.send('POST', apiPaths.deployments('shop'), { manifest: manifestOf([]) }, user.token);
    for (let round = 0; round < 20; round += 1) {
      expect((await look()).status).toBe(404);
      await setRole(first, user.name, 'member');
      expect((await look()).status).toBe(200);
      expect((await publish()).status).toBe(201);
      await setRole(first, user.name, 'viewer');
      expect((await publish()).status).toBe(403);
      await first.send('DELETE', adminPaths.member('default', user.name));
    }
  });

  it('a token that is revoked', async () => {
    const user = await makeUser('viewer');
    const extra = await first.send('POST', adminPaths.tokens(), { name: 'laptop' }, user.token);
    const look = (): Promise<Reply> => second.send('GET', apiPaths.whoami(), undefined, extra.body.token);
    expect((await look()).body.user.name).toBe(user.name);
    await first.send('DELETE', adminPaths.token(extra.body.id), undefined, user.token);
    expect((await look()).status).toBe(401);
  });

  it('a project that is new', async () => {
    const user = await makeUser('viewer');
    const project = `brand-new-${users}`;
    const names = async (): Promise<string[]> => {
      const { body } = await second.send('GET', apiPaths.projects(), undefined, user.token);
      return body.projects.map(({ name }: { name: string }) => name);
    };
    const look = (): Promise<Reply> => second.send('GET', apiPaths.project(project), undefined, user.token);
    expect(await names()).not.toContain(project);
    expect((await look()).status).toBe(404);
    await first.send('POST', apiPaths.projects(), { name: project });
    expect(await names()).toContain(project);
    expect((await look()).status).toBe(200);
  });

  it('also when neither could reach the cache server during the change', async () => {
    const user = await makeUser('member');
    const statuses = new Set<number>();
    const look = async (): Promise<void> => {
      for (const api of [first, second])
        statuses.add((await api.send('GET', apiPaths.project('shop'), undefined, user.token)).status);
    };
    await look();
    expect([...statuses]).toEqual([200]);
    statuses.clear();
    for (const way of ways) way.refuse();
    await expect.poll(() => caches.map((cache) => cache.state())).toEqual(['down', 'down']);
    await first.send('DELETE', adminPaths.member('default', user.name));
    await look();
    for (const way of ways) way.allow();
    // What the cache still holds of before is not believed, from the moment of its return on.
    while (caches.some((cache) => cache.state() !== 'up')) await look();
    for (let round = 0; round < 20; round += 1) await look();
    expect([...statuses]).toEqual([404]);
    await expect.poll(() => permissionsInCache(user)).toMatchObject({ isMember: false });
    await look();
    expect([...statuses]).toEqual([404]);
  });

  describe('also when only the one that makes the change cannot reach the cache server', () => {
    beforeEach(async () => {
      ways[0]?.refuse();
      await expect.poll(() => caches[0]?.state()).toBe('down');
    });
    afterEach(async () => {
      ways[0]?.allow();
      await expect.poll(() => caches[0]?.state()).toBe('up');
    });

    it.each([
      ['a membership', (user: MadeUser) => adminPaths.member('default', user.name)],
      ['a token', (user: MadeUser) => adminPaths.token(user.tokenId)],
    ] as const)('%s that ends: from the answer on the other one refuses', async (what, pathOf) => {
      const user = await makeUser('member');
      const look = (): Promise<Reply> => second.send('GET', apiPaths.project('shop'), undefined, user.token);
      expect((await look()).status).toBe(200);
      expect(await permissionsInCache(user)).toEqual({ isMember: true, isKnown: true });
      expect((await first.send('DELETE', pathOf(user))).status).toBe(200);
      const refused = what === 'a token' ? 401 : 404;
      for (let round = 0; round < 20; round += 1) expect((await look()).status).toBe(refused);
      // And it tells the cache in place of the one that cannot.
      await expect
        .poll(() => permissionsInCache(user))
        .toMatchObject(what === 'a token' ? { isKnown: false } : { isMember: false });
      expect(caches[0]?.state()).toBe('down');
      for (let round = 0; round < 20; round += 1) expect((await look()).status).toBe(refused);
    });
  });
});

describe('the cost of a check', () => {
  it('is no database query when the cache is warm', async () => {
    const user = await makeUser('viewer');
    const look = (): Promise<Reply> => second.send('GET', apiPaths.project('shop'), undefined, user.token);
    await look();
    const before = second.queryCount();
    for (let round = 0; round < 10; round += 1) expect((await look()).status).toBe(200);
    expect(second.queryCount() - before).toBe(0);
  });
});
