import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { healthSchema } from '../../contracts/control-api-answers.ts';
import { adminPaths } from '../../contracts/control-api-admin.ts';
import { apiPaths } from '../../contracts/control-api.ts';
import { allOperations } from '../../control-api/operations/all-operations.ts';
import {
  manifestOf,
  putObject,
  sha256,
  startTestControlApi,
  TEST_TOKEN,
  type TestControlApi,
} from '../support/control-api.ts';
import { startPostgres, type PostgresServer } from '../support/postgres.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

let postgres: PostgresServer;
let dir: TempDir;
let api: TestControlApi;

beforeAll(async () => {
  [postgres, dir] = await Promise.all([startPostgres(), makeTempDir('http')]);
  api = await startTestControlApi({
    directory: dir.path,
    env: { DATABASE_URL: await postgres.createDatabase() },
  });
  await api.send('POST', apiPaths.projects(), { name: 'site' });
});
afterAll(async () => {
  await api.close();
  await postgres.close();
  await dir.remove();
});

describe('the plain HTTP form', () => {
  it('answers every failure in one shape', async () => {
    const unknown = await api.send('GET', '/v1/nothing/here');
    expect(unknown.status).toBe(404);
    expect(unknown.body).toEqual({
      error: {
        code: 'NOT_FOUND',
        message: 'There is no GET /v1/nothing/here.',
        requestId: expect.any(String),
      },
    });
    const twice = await api.send('POST', apiPaths.projects(), { name: 'site' });
    expect(twice.body.error).toMatchObject({
      code: 'CONFLICT',
      message: 'The project name "site" is taken.',
    });
    const several = await api.send('POST', apiPaths.projects(), { name: '-', organisation: 'x' });
    expect(several.status).toBe(400);
    expect(several.body.error.details).toHaveLength(2);
  });

  it('refuses bodies that are no JSON, or too large', async () => {
    const post = (body: string): Promise<Response> =>
      fetch(`${api.url}${apiPaths.projects()}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TEST_TOKEN}`, 'content-type': 'application/json' },
        body,
      });
    expect((await post('{"name":')).status).toBe(400);
    expect((await post(JSON.stringify({ name: 'x'.repeat(33 * 1024 * 1024) }))).status).toBe(413);
    expect((await api.send('GET', apiPaths.whoami())).status).toBe(200);
  });

  it('refuses texts with NUL, which the database cannot keep', async () => {
    const nul = encodeURIComponent('a\u0000b');
    const attempts: [method: string, path: string, body?: unknown][] = [
      ['GET', `${apiPaths.deployments('site')}?track=${nul}`],
      ['GET', adminPaths.members('a\u0000b')],
      ['DELETE', apiPaths.domain('site', 'a\u0000b')],
      ['POST', adminPaths.tokens(), { name: 'a\u0000b' }],
      ['POST', adminPaths.builds('site'), { track: 'a\u0000b' }],
    ];
    for (const attempt of attempts) {
      const { status, body } = await api.send(...attempt);
      expect([attempt[1], status, body.error.code]).toEqual([attempt[1], 400, 'BAD_REQUEST']);
    }
  });

  it('describes itself: every operation, each with its parameters', async () => {
    const { body } = await api.send('GET', apiPaths.openapi());
    expect(body.openapi).toBe('3.1.0');
    const described: string[] = [];
    for (const [path, methods] of Object.entries<
      Record<string, { operationId?: string; parameters?: unknown[] }>
    >(body.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        if (method === 'parameters') continue;
        described.push(operation.operationId ?? '');
        const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
        const listed = [
          ...((methods['parameters'] as unknown as { name: string }[] | undefined) ?? []),
          ...((operation.parameters ?? []) as { name: string; in: string }[]),
        ];
        expect(listed.map(({ name }) => name)).toEqual(expect.arrayContaining(inPath));
      }
    }
    const expected = allOperations.filter(({ path }) => path !== undefined).map(({ name }) => name);
    expect(described.toSorted()).toEqual([...expected, 'health', 'objects.put', 'objects.head'].toSorted());
    const begin = body.paths['/v1/projects/{project}/deployments'].post;
    const { manifest } = begin.requestBody.content['application/json'].schema.properties;
    expect(manifest.required).toEqual(['version', 'resources']);
    const kinds = manifest.properties.resources.items.oneOf as { properties: object; required: string[] }[];
    expect(kinds.map(({ required }) => required)).toEqual([
      ['kind', 'urlPath', 'resourcePath'],
      ['kind', 'urlPath', 'resourcePath'],
    ]);
    for (const { properties } of kinds) expect(properties).toHaveProperty('hash.pattern');
    expect(manifest.properties).toHaveProperty('redirects.items.properties.status');
    expect(begin.responses['201'].content['application/json'].schema.properties).toHaveProperty('missing');
    expect(JSON.stringify(body)).not.toContain('"$schema"');
  });

  it('says how it is, and that it is down when the database is', async () => {
    const health = await api.send('GET', apiPaths.health());
    expect(healthSchema.parse(health.body)).toMatchObject({ status: 'ok', database: 'up', store: 'up' });
  });
});

describe('uploads', () => {
  const large = Buffer.alloc(5_000_000, 7);
  const hash = sha256(large);

  const begin = async (): Promise<string[]> => {
    const manifest = manifestOf([{ path: '/large.bin', content: large }]);
    return (await api.send('POST', apiPaths.deployments('site'), { manifest })).body.missing;
  };
  const isStored = async (): Promise<boolean> =>
    (await api.send('GET', apiPaths.object('site', hash))).status === 200;

  const openUpload = async (bytes: number): Promise<Socket> => {
    const { hostname, port } = new URL(api.url);
    const socket = connect(Number(port), hostname);
    const path = apiPaths.object('site', hash);
    const head = `PUT ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TEST_TOKEN}\r\ncontent-length: ${large.length}\r\n\r\n`;
    socket.write(head);
    socket.write(large.subarray(0, bytes));
    await new Promise((resolve) => socket.once('connect', resolve));
    return socket;
  };

  it('that break off leave nothing, and can be sent again', async () => {
    expect(await begin()).toEqual([hash]);
    for (const bytes of [0, 1, 2_000_000, large.length - 1]) {
      const socket = await openUpload(bytes);
      await expect.poll(() => socket.bytesWritten).toBeGreaterThanOrEqual(bytes);
      socket.destroy();
      expect(await isStored()).toBe(false);
    }
    expect(await begin()).toEqual([hash]);
    expect((await putObject(api, 'site', hash, large)).status).toBe(201);
    expect(await isStored()).toBe(true);
    expect(await begin()).toEqual([]);
  });

  it('need a length, an allowed size and a hash that is one', async () => {
    const { hostname, port } = new URL(api.url);
    const chunked = await new Promise<number>((resolve, reject) => {
      const headers = { authorization: `Bearer ${TEST_TOKEN}`, 'transfer-encoding': 'chunked' };
      const path = apiPaths.object('site', sha256('x'));
      const call = request({ hostname, port, path, method: 'PUT', headers }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      call.once('error', reject);
      call.end('x');
    });
    expect(chunked).toBe(400);
    expect((await putObject(api, 'site', 'ABC', Buffer.from('x'))).status).toBe(400);
    const manifest = manifestOf([{ path: '/a', content: 'abc' }]);
    await api.send('POST', apiPaths.deployments('site'), { manifest });
    expect((await putObject(api, 'site', sha256('abc'), Buffer.from('abcd'))).body.error).toMatchObject({
      code: 'CONTENT_MISMATCH',
      message: 'The manifest says 3 bytes, Content-Length says 4.',
    });
  });

  it('of one object by many at once all succeed', async () => {
    const bytes = Buffer.from('wanted by many');
    const wanted = sha256(bytes);
    const manifest = manifestOf([{ path: '/many.txt', content: bytes }]);
    await api.send('POST', apiPaths.deployments('site'), { manifest });
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => putObject(api, 'site', wanted, bytes)),
    );
    expect(replies.every(({ status }) => status === 200 || status === 201)).toBe(true);
    expect(
      await api.store.read(
        `projects/${(await api.send('GET', apiPaths.project('site'))).body.id}/objects/${wanted}`,
        { maxBytes: 100 },
      ),
    ).toEqual(bytes);
  });
});

describe('a database that goes away', () => {
  it('makes answers 503 until it is back, and nothing crashes', async () => {
    await postgres.crash();
    const down = await api.send('GET', apiPaths.deployments('site'));
    expect(down.status).toBe(503);
    expect(down.body.error).toMatchObject({ code: 'CONTROL_API_FAILED' });
    expect(down.headers.get('retry-after')).toBe('1');
    const health = await api.send('GET', apiPaths.health());
    expect([health.status, health.body.status]).toEqual([503, 'down']);
    const input = encodeURIComponent(JSON.stringify({ json: { domain: 'unknown.example' } }));
    const lookUp = await fetch(`${api.url}/trpc/deployments.getConfigByDomain?input=${input}`);
    expect(lookUp.status).toBe(503);
    await postgres.restart();
    await expect.poll(async () => (await api.send('GET', apiPaths.deployments('site'))).status).toBe(200);
  });
});
