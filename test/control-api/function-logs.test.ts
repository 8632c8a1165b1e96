import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { defaultCacheConfig } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import { openCache } from '../../cache/open-cache.ts';
import { adminPaths } from '../../contracts/control-api-admin.ts';
import { apiPaths } from '../../contracts/control-api.ts';
import {
  functionLogsPath,
  type FunctionLogEntry,
  type FunctionLogLine,
  type FunctionLogPage,
} from '../../contracts/function-logs.ts';
import { silentLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import {
  connectCache,
  deploy,
  startTestControlApi,
  type Reply,
  type TestControlApi,
} from '../support/control-api.ts';
import { waitUntil } from '../support/wait-until.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const START_MS = Date.parse('2026-01-01T00:00:00.000Z');

const line = (message: string, more: Partial<FunctionLogLine> = {}): FunctionLogLine => ({
  timeMs: START_MS,
  level: 'info',
  message,
  source: 'function',
  ...more,
});

const messages = ({ entries }: { entries: readonly FunctionLogEntry[] }): string[] =>
  entries.map(({ message }) => message);

describe.each(['with a cache server', 'in memory'] as const)('logs of functions %s', (kind) => {
  let server: CacheServer | undefined;
  let cache: Cache;
  let dir: TempDir;
  let api: TestControlApi;
  let serial = 0;

  beforeAll(async () => {
    dir = await makeTempDir('function-logs');
    server = kind === 'with a cache server' ? await startCacheServer() : undefined;
    cache =
      server === undefined
        ? openCache(defaultCacheConfig(), { log: silentLogger(), registry: createRegistry() })
        : await connectCache(server);
    api = await startTestControlApi({ directory: dir.path, cache });
  });
  afterAll(async () => {
    await api.close();
    await cache.close();
    await server?.close();
    await dir.remove();
  });

  const newProject = async (): Promise<string> => {
    const name = `logs-${(serial += 1)}`;
    expect((await api.send('POST', apiPaths.projects(), { name })).status).toBe(201);
    return name;
  };
  const show = async (project: string, more: Record<string, unknown> = {}): Promise<string> => {
    const content = `page ${(serial += 1)}`;
    return (await deploy(api, project, [{ path: '/index.html', content }], more)).deployment.id;
  };
  /** As a runner does. */
  const write = async (id: string, lines: readonly FunctionLogLine[]): Promise<void> => {
    expect(await cache.append(keys.functionLogs(id), lines)).toEqual({ kind: 'stored' });
  };
  const ask = (project: string, query: Record<string, string> = {}, token?: string): Promise<Reply> =>
    api.send(
      'GET',
      `${functionLogsPath(project)}?${new URLSearchParams(query).toString()}`,
      undefined,
      token,
    );
  const read = async (project: string, query: Record<string, string> = {}): Promise<FunctionLogPage> => {
    const { status, body } = await ask(project, query);
    expect([status, body.error]).toEqual([200, undefined]);
    return body;
  };

  test('of what the track shows, of a domain, of one deployment: whole lines, in order', async () => {
    const project = await newProject();
    expect(await read(project)).toMatchObject({ entries: [], deploymentIds: [], isAtEnd: true });
    const first = await show(project, { domains: [`${project}.example`] });
    const second = await show(project, { track: 'next' });
    const whole = { requestId: 'r1', path: 'api/a.js', isTruncated: true } as const;
    await write(first, [line('one', whole), line('two', { level: 'error', source: 'platform' })]);
    await write(second, [line('of another track')]);
    const timestamp = '2026-01-01T00:00:00.000Z';
    const { path: route, ...rest } = whole;
    const expected = [
      { ...rest, route, timestamp, level: 'info', message: 'one', source: 'function', deploymentId: first },
      { timestamp, level: 'error', message: 'two', source: 'platform', deploymentId: first },
    ];
    const storage = kind === 'in memory' ? 'memory' : 'shared';
    const page = { entries: expected, deploymentIds: [first], isAtEnd: true, isTruncated: false, storage };
    expect(await read(project)).toMatchObject(page);
    expect(await read(project, { domain: `${project}.EXAMPLE.` })).toMatchObject(page);
    expect(await read(project, { deployment: first })).toMatchObject(page);
    expect(messages(await read(project, { track: 'next' }))).toEqual(['of another track']);
  });

  test('choose by level, time and request; begin with the last so many of what is wanted', async () => {
    const project = await newProject();
    const id = await show(project);
    const levels = ['debug', 'info', 'warn', 'error'] as const;
    const lines = Array.from({ length: 1500 }, (_, index) => {
      const level = levels[index % 4] ?? 'info';
      return line(String(index), { level, timeMs: START_MS + index * 1000, requestId: `r${index % 3}` });
    });
    await write(id, lines);
    expect(messages(await read(project, { tail: '3' }))).toEqual(['1497', '1498', '1499']);
    expect(messages(await read(project, { tail: '2', level: 'warn' }))).toEqual(['1498', '1499']);
    expect(messages(await read(project, { tail: '2', level: 'error', request: 'r0' }))).toEqual(
      ['1491', '1479'].toReversed(),
    );
    const since = new Date(START_MS + 1_498_000).toISOString();
    expect(messages(await read(project, { since, tail: '100' }))).toEqual(['1498', '1499']);
    const all: string[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await read(project, cursor === undefined ? {} : { cursor });
      all.push(...messages(page));
      if (page.isAtEnd) break;
      cursor = page.cursor;
    }
    expect(all).toEqual(lines.map(({ message }) => message));
  });

  test('are followed by several readers at once, every line once and in order', async () => {
    const project = await newProject();
    const id = await show(project);
    const follow = async (): Promise<string[]> => {
      const seen: string[] = [];
      for (let query: Record<string, string> = {}; !seen.includes('end');) {
        const page = await read(project, { ...query, waitMs: '5000' });
        seen.push(...messages(page));
        query = { cursor: page.cursor };
      }
      return seen;
    };
    const readers = Promise.all([follow(), follow(), follow()]);
    // What it fails with is told where it is awaited.
    readers.catch(() => undefined);
    const expected: string[] = [];
    for (let batch = 0; batch < 20; batch += 1) {
      const own = [`a${batch}`, `b${batch}`, ...(batch === 19 ? ['end'] : [])];
      expected.push(...own);
      await write(
        id,
        own.map((text) => line(text)),
      );
    }
    for (const seen of await readers) expect(seen).toEqual(expected);
  });

  test('who follows a track or a domain goes on with what it shows next, and still sees the end of the one before', async () => {
    const project = await newProject();
    const domain = `${project}.example`;
    const first = await show(project, { domains: [domain] });
    await write(first, [line('old 1')]);
    for (const query of [{}, { domain }]) {
      const page = await read(project, query);
      expect(messages(page)).toContain('old 1');
    }
    const { cursor } = await read(project, { domain });
    const second = await show(project);
    await write(second, [line('new 1', { timeMs: START_MS + 2 })]);
    await write(first, [line('old 2', { timeMs: START_MS + 1 })]);
    const next = await read(project, { domain, cursor, waitMs: '5000' });
    expect(messages(next)).toEqual(['old 2', 'new 1']);
    expect(next.deploymentIds).toEqual([first, second]);
    expect(messages(await read(project))).toEqual(['new 1']);
  });

  test('a reader who falls behind the cap is told so', async () => {
    const project = await newProject();
    const id = await show(project);
    await write(id, [line('first')]);
    const { cursor } = await read(project);
    for (let batch = 0; batch < 5; batch += 1)
      await write(
        id,
        Array.from({ length: 500 }, (_, index) => line(`${batch}-${index}`)),
      );
    const page = await read(project, { cursor });
    expect(page).toMatchObject({ isTruncated: true, isAtEnd: false });
    expect(messages(page)[0]).toBe('1-0');
    expect(await read(project, { cursor: page.cursor })).toMatchObject({ isTruncated: false });
  });

  test('nobody reads the lines of a project that is not theirs, by no parameter and no cursor', async () => {
    const [own, other] = [await newProject(), await newProject()];
    const secret = await show(other, { domains: [`${other}.example`] });
    await write(secret, [line('secret')]);
    const stolen = await read(other);
    expect(messages(stolen)).toEqual(['secret']);
    const { cursor } = stolen;
    const forged = Buffer.from(JSON.stringify([[secret, 0]])).toString('base64url');
    for (const text of [cursor, forged])
      expect(await read(own, { cursor: text })).toMatchObject({ entries: [], deploymentIds: [] });
    for (const query of [
      { deployment: secret },
      { domain: `${other}.example` },
      { deployment: randomUUID() },
      { track: 'none' },
    ]) {
      const { status, body } = await ask(own, query);
      expect([status, body.error.code]).toEqual([404, 'NOT_FOUND']);
    }
    for (const query of [
      { cursor: 'x' },
      { cursor: 'W10x' },
      { level: 'loud' },
      { since: 'yesterday' },
      { deployment: secret, track: 'a' },
    ]) {
      const { status, body } = await ask(own, query);
      expect([query, status, body.error.code]).toEqual([query, 400, 'BAD_REQUEST']);
    }
    const name = `stranger-${kind.length}-${(serial += 1)}`;
    await api.send('POST', adminPaths.users(), { name });
    const { token } = (await api.send('POST', adminPaths.tokens(), { name: 'test', user: name })).body;
    expect((await ask(other, {}, token)).status).toBe(404);
    await api.send('PUT', adminPaths.member('default', name), { role: 'viewer' });
    expect((await ask(other, {}, token)).status).toBe(200);
    expect((await ask(other, {}, 'wrong')).status).toBe(401);
  });

  test('go with their deployment', async () => {
    const project = await newProject();
    const first = await show(project);
    await show(project);
    await write(first, [line('gone soon')]);
    expect((await api.send('DELETE', apiPaths.deployment(project, first))).status).toBe(200);
    const page = await cache.readList(keys.functionLogs(first), 0);
    expect(page).toMatchObject({ kind: 'items', items: [] });
  });

  test('a cache that is down is an error that passes, and a reader goes on where it was', async () => {
    if (server === undefined) return;
    const project = await newProject();
    const id = await show(project);
    await write(id, [line('before')]);
    const { cursor } = await read(project);
    await server.kill();
    try {
      const { status, body } = await ask(project, { cursor });
      expect([status, body.error.code]).toEqual([503, 'CACHE_FAILED']);
    } finally {
      await server.restart();
    }
    await waitUntil(() => cache.state() === 'up');
    await write(id, [line('after')]);
    expect(messages(await read(project, { cursor, waitMs: '5000' }))).toEqual(['after']);
  });
});

test('without a cache there are no logs, and the answer says why', async () => {
  const dir = await makeTempDir('no-logs');
  const api = await startTestControlApi({ directory: dir.path });
  await api.send('POST', apiPaths.projects(), { name: 'site' });
  await deploy(api, 'site', [{ path: '/index.html', content: 'x' }]);
  const { status, body } = await api.send('GET', functionLogsPath('site'));
  expect([status, body.entries, body.storage]).toEqual([200, [], 'disabled']);
  await api.close();
  await dir.remove();
});
