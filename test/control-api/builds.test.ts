import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { adminPaths, type LogEntry, type LogPage } from '../../contracts/control-api-admin.ts';
import { apiPaths } from '../../contracts/control-api.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import {
  connectCache,
  startTestControlApi,
  type Reply,
  type TestControlApi,
} from '../support/control-api.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const line = (message: string): LogEntry => ({
  timestamp: '2026-01-01T00:00:00.000Z',
  level: 'info',
  message,
});

describe.each(['with a cache server', 'without a cache'] as const)('builds %s', (kind) => {
  let server: CacheServer | undefined;
  let cache: Cache | undefined;
  let dir: TempDir;
  let api: TestControlApi;

  beforeAll(async () => {
    dir = await makeTempDir('builds');
    server = kind === 'with a cache server' ? await startCacheServer() : undefined;
    cache = server === undefined ? undefined : await connectCache(server);
    api = await startTestControlApi({ directory: dir.path, cache });
    await api.send('POST', apiPaths.projects(), { name: 'site' });
    await api.send('POST', apiPaths.projects(), { name: 'other' });
  });
  afterAll(async () => {
    await api.close();
    await cache?.close();
    await server?.close();
    await dir.remove();
  });

  const start = async (): Promise<string> => (await api.send('POST', adminPaths.builds('site'), {})).body.id;
  const append = (id: string, messages: string[]): Promise<Reply> =>
    api.send('POST', adminPaths.buildLogs('site', id), { entries: messages.map(line) });
  const setStatus = (id: string, status: string): Promise<Reply> =>
    api.send('PATCH', adminPaths.build('site', id), { status });
  const read = async (id: string, after = 0, waitMs = 0): Promise<LogPage> =>
    (await api.send('GET', `${adminPaths.buildLogs('site', id)}?after=${after}&waitMs=${waitMs}`)).body;
  /** Follows to the end, as `origan logs -f` does. */
  const follow = async (id: string): Promise<string[]> => {
    const messages: string[] = [];
    for (let after = 0; ;) {
      const page = await read(id, after, 5000);
      messages.push(...page.entries.map(({ message }) => message));
      if (page.isComplete) return messages;
      after = page.next;
    }
  };

  it('are followed by several readers, in order, to their end', async () => {
    const id = await start();
    await setStatus(id, 'in_progress');
    const readers = Promise.all([follow(id), follow(id), follow(id)]);
    // What it fails with is told where it is awaited.
    readers.catch(() => undefined);
    const expected: string[] = [];
    for (let batch = 0; batch < 15; batch += 1) {
      const messages = Array.from({ length: 10 }, (_value, index) => `line ${batch * 10 + index}`);
      expected.push(...messages);
      await append(id, messages);
    }
    await setStatus(id, 'completed');
    for (const messages of await readers) expect(messages).toEqual(expected);
    expect(await follow(id)).toEqual(expected);
  });

  it('cost the database nothing while many wait for the next line', async () => {
    if (server === undefined) return;
    const id = await start();
    await append(id, ['first']);
    await read(id);
    await api.send('GET', apiPaths.project('site'));
    const before = api.queryCount();
    const waiting = await Promise.all(Array.from({ length: 10 }, () => read(id, 1, 1500)));
    expect(waiting.every(({ entries }) => entries.length === 0)).toBe(true);
    // But for what the program asks by itself now and then.
    expect(api.queryCount() - before).toBeLessThan(5);
    await setStatus(id, 'completed');
  });

  it('lose nothing when the cache loses everything in between', async () => {
    const id = await start();
    await append(id, ['one', 'two']);
    const seen = await read(id);
    await server?.admin().flushall();
    await append(id, ['three']);
    expect((await read(id, seen.next)).entries.map(({ message }) => message)).toEqual(['three']);
    await server?.admin().flushall();
    await setStatus(id, 'failed');
    expect(await follow(id)).toEqual(['one', 'two', 'three']);
    expect((await api.send('GET', adminPaths.build('site', id))).body).toMatchObject({
      status: 'failed',
      finishedAt: expect.any(String),
    });
  });

  it('keep the order of lines that two writers append at once', async () => {
    const id = await start();
    const write = async (name: string): Promise<void> => {
      for (let index = 0; index < 20; index += 1) await append(id, [`${name}${index}`, `${name}${index}b`]);
    };
    await Promise.all([write('x'), write('y')]);
    await setStatus(id, 'completed');
    const messages = await follow(id);
    expect(messages).toHaveLength(80);
    for (const name of ['x', 'y']) {
      const own = messages.filter((message) => message.startsWith(name));
      expect(own).toEqual(
        Array.from({ length: 20 }, (_value, index) => [`${name}${index}`, `${name}${index}b`]).flat(),
      );
    }
  });

  it('drop the oldest lines beyond the cap, and say so', async () => {
    const id = await start();
    for (let batch = 0; batch < 21; batch += 1) {
      await append(
        id,
        Array.from({ length: 1000 }, (_value, index) => `${batch}:${index}`),
      );
    }
    await setStatus(id, 'completed');
    const first = await read(id);
    expect(first.dropped).toBe(1000);
    expect(first.entries[0]?.message).toBe('1:0');
    expect(await follow(id)).toHaveLength(20_000);
  });

  it('take no line and no other status once they have ended', async () => {
    const id = await start();
    await setStatus(id, 'completed');
    expect((await append(id, ['late'])).status).toBe(409);
    expect((await setStatus(id, 'failed')).status).toBe(409);
    expect((await setStatus(id, 'completed')).status).toBe(200);
  });

  it('refuse a track that cannot be one, and lines whose time is none', async () => {
    for (const track of ['No Track', 'x'.repeat(100), '']) {
      expect((await api.send('POST', adminPaths.builds('site'), { track })).status).toBe(400);
    }
    const id = await start();
    for (const timestamp of ['yesterday', '\u001B[2J', '']) {
      const entries = [{ ...line('x'), timestamp }];
      expect((await api.send('POST', adminPaths.buildLogs('site', id), { entries })).status).toBe(400);
    }
    const entries = [{ ...line('x'), timestamp: '2026-01-31T09:00:00+01:00' }];
    expect((await api.send('POST', adminPaths.buildLogs('site', id), { entries })).status).toBe(200);
  });

  it('are read through their own project only', async () => {
    const id = await start();
    await append(id, ['private']);
    expect((await api.send('GET', adminPaths.buildLogs('other', id))).status).toBe(404);
    expect((await api.send('GET', adminPaths.build('other', id))).status).toBe(404);
  });
});
