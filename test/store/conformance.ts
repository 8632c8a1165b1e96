import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ObjectBody, ObjectStore } from '../../store/object-store.ts';

export type StoreUnderTest = { store: ObjectStore; close(): Promise<void> };

const HOSTILE_KEYS = [
  '',
  '/etc/passwd',
  '../outside',
  'deployments/../../outside',
  'deployments/./a',
  'deployments//a',
  'deployments/a/',
  'nul\0byte',
  'back\\slash',
  'line\nbreak',
  '\ud800',
  'x'.repeat(1025),
];

async function bytesOf(object: ObjectBody | undefined): Promise<Buffer> {
  expect(object).toBeDefined();
  return buffer((object as ObjectBody).body);
}

async function keysBelow(store: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys.toSorted();
}

/** What every implementation of ObjectStore must do. */
export function describeObjectStore(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`${name} as an object store`, () => {
    let opened: StoreUnderTest;
    let store: ObjectStore;
    beforeAll(async () => {
      opened = await open();
      store = opened.store;
    });
    afterAll(async () => {
      await opened.close();
    });

    test('can be reached', async () => {
      await store.check();
    });

    test('gives back what was put, with its size and time', async () => {
      const before = Date.now();
      await store.put('deployments/d1/index.html', Buffer.from('<h1>hi</h1>'), { contentType: 'text/html' });
      const object = await store.get('deployments/d1/index.html');
      expect(object?.size).toBe(11);
      expect((await bytesOf(object)).toString()).toBe('<h1>hi</h1>');
      const head = await store.head('deployments/d1/index.html');
      expect(head).toEqual({ size: 11, modifiedAtMs: object?.modifiedAtMs });
      // HTTP dates know whole seconds only.
      expect(head?.modifiedAtMs).toBeGreaterThanOrEqual(before - 1000);
      expect(head?.modifiedAtMs).toBeLessThanOrEqual(Date.now() + 1000);
    });

    test('says that an object is absent, also where a longer or shorter key exists', async () => {
      await store.put('absent/here/file', Buffer.from('x'));
      for (const key of ['absent/nowhere', 'absent/here', 'absent/here/file/below', 'absent']) {
        expect(await store.get(key)).toBeUndefined();
        expect(await store.head(key)).toBeUndefined();
        expect(await store.read(key, { maxBytes: 10 })).toBeUndefined();
        expect(await store.get(key, { range: { start: 0, end: 1 } })).toBeUndefined();
      }
    });

    test.each(HOSTILE_KEYS)('refuses the key %j everywhere', async (key) => {
      const refusal = /refused: the object key/;
      await expect(store.get(key)).rejects.toThrow(refusal);
      await expect(store.head(key)).rejects.toThrow(refusal);
      await expect(store.read(key, { maxBytes: 1 })).rejects.toThrow(refusal);
      await expect(store.put(key, Buffer.from('x'))).rejects.toThrow(refusal);
      await expect(store.delete(['harmless', key])).rejects.toThrow(refusal);
      if (key !== '' && !/[^/]\/$/.test(key)) await expect(keysBelow(store, key)).rejects.toThrow(refusal);
    });

    test.each([
      'deployments/d2/with space.txt',
      'deployments/d2/größe/naïve 漢字 🎉.txt',
      'deployments/d2/plus+percent%20amp&equals=question?hash#.txt',
      'deployments/d2/quote\'double"(paren)!star*~tilde.txt',
      'deployments/d2/...dots..here...',
      'deployments/d2/[id].js',
      'deployments/d2/.hidden',
    ])('keeps the key %j as it is', async (key) => {
      await store.put(key, Buffer.from(key));
      expect((await store.read(key, { maxBytes: 1000 }))?.toString()).toBe(key);
      expect(await keysBelow(store, key)).toEqual([key]);
    });

    test('replaces an object', async () => {
      await store.put('replace/me', Buffer.from('a long first version'));
      await store.put('replace/me', Buffer.from('short'));
      expect((await store.read('replace/me', { maxBytes: 100 }))?.toString()).toBe('short');
    });

    test('keeps empty objects', async () => {
      await store.put('empty/file', Buffer.alloc(0));
      await store.put('empty/stream', Readable.from([]), { size: 0 });
      for (const key of ['empty/file', 'empty/stream']) {
        expect(await store.head(key)).toMatchObject({ size: 0 });
        expect(await bytesOf(await store.get(key))).toHaveLength(0);
        expect(await store.read(key, { maxBytes: 0 })).toHaveLength(0);
        await expect(store.get(key, { range: { start: 0, end: 0 } })).rejects.toMatchObject({
          code: 'RANGE_NOT_SATISFIABLE',
        });
      }
    });

    test('reads ranges, with the size of the whole', async () => {
      await store.put('range/digits', Buffer.from('0123456789'));
      for (const [start, end, expected] of [
        [0, 0, '0'],
        [0, 9, '0123456789'],
        [3, 5, '345'],
        [9, 9, '9'],
        [7, 1000, '789'],
      ] as const) {
        const object = await store.get('range/digits', { range: { start, end } });
        expect(object?.size).toBe(10);
        expect((await bytesOf(object)).toString()).toBe(expected);
      }
      for (const [start, end] of [
        [10, 10],
        [500, 600],
        [5, 4],
        [-1, 4],
        [0.5, 4],
      ] as const) {
        await expect(store.get('range/digits', { range: { start, end } })).rejects.toMatchObject({
          code: 'RANGE_NOT_SATISFIABLE',
        });
      }
    });

    test('streams a large object in and out unchanged', async () => {
      const chunks = Array.from({ length: 160 }, () => randomBytes(64 * 1024));
      const whole = Buffer.concat(chunks);
      await store.put('large/object', Readable.from(chunks), { size: whole.length });
      const object = await store.get('large/object');
      expect(object?.size).toBe(whole.length);
      expect((await bytesOf(object)).equals(whole)).toBe(true);
      const range = { start: 1_000_000, end: 3_000_000 };
      expect(
        (await bytesOf(await store.get('large/object', { range }))).equals(
          whole.subarray(1_000_000, 3_000_001),
        ),
      ).toBe(true);
    });

    test('reads no more into memory than allowed', async () => {
      await store.put('limit/ten', Buffer.from('0123456789'));
      expect(await store.read('limit/ten', { maxBytes: 10 })).toHaveLength(10);
      await expect(store.read('limit/ten', { maxBytes: 9 })).rejects.toMatchObject({ code: 'BUCKET_FAILED' });
    });

    test.each([
      ['shorter', ['only five'.slice(0, 5)], 10],
      ['longer', ['far too many bytes'], 10],
    ])('stores nothing of a stream that is %s than its size', async (kind, chunks, size) => {
      const key = `mismatch/${kind}`;
      await store.put(key, Buffer.from('before'));
      await expect(store.put(key, Readable.from(chunks), { size })).rejects.toMatchObject({
        code: 'BUCKET_FAILED',
      });
      expect((await store.read(key, { maxBytes: 100 }))?.toString()).toBe('before');
    });

    test('stores nothing of a stream that breaks', async () => {
      const broken = Readable.from(
        (async function* produce(): AsyncGenerator<string> {
          yield 'half of ';
          throw new Error('the source broke');
        })(),
      );
      await expect(store.put('broken/upload', broken, { size: 100 })).rejects.toThrow(/the source broke/);
      expect(await store.head('broken/upload')).toBeUndefined();
    });

    test('wants the size of a stream', async () => {
      await expect(store.put('sizeless', Readable.from(['x']))).rejects.toThrow(/size/);
    });

    test('an aborted signal ends the call, and the body while it streams', async () => {
      await store.put('abort/me', randomBytes(4 * 1024 * 1024));
      const gone = AbortSignal.abort(new Error('the client left'));
      await expect(store.get('abort/me', { signal: gone })).rejects.toThrow();
      await expect(store.head('abort/me', { signal: gone })).rejects.toThrow();
      const controller = new AbortController();
      const object = await store.get('abort/me', { signal: controller.signal });
      const reading = (async (): Promise<number> => {
        let seen = 0;
        for await (const chunk of (object as ObjectBody).body as AsyncIterable<Buffer>) {
          seen += chunk.length;
          controller.abort(new Error('the client left'));
        }
        return seen;
      })();
      await expect(reading).rejects.toThrow();
    });

    test('a body may be left unread', async () => {
      for (let round = 0; round < 80; round += 1) {
        const object = await store.get('large/object');
        object?.body.destroy();
      }
      expect(await store.head('large/object')).toBeDefined();
    });

    test('lists what lies below a prefix, page by page', async () => {
      const keys = Array.from({ length: 25 }, (_, index) => `list/a/${index}/file`);
      keys.push('list/a-b', 'list/ab', 'list/b/c');
      await Promise.all(keys.map((key) => store.put(key, Buffer.from(key))));
      expect(await keysBelow(store, 'list/')).toEqual(keys.toSorted());
      expect(await keysBelow(store, 'list/a/1')).toEqual(
        keys.filter((key) => key.startsWith('list/a/1')).toSorted(),
      );
      expect(await keysBelow(store, 'list/ab')).toEqual(['list/ab']);
      expect(await keysBelow(store, 'list/nothing/')).toEqual([]);
      for await (const entry of store.list('list/b/')) expect(entry.size).toBe('list/b/c'.length);
      expect(await keysBelow(store, '')).toEqual(expect.arrayContaining(keys));
    });

    test('deletes what exists and does not mind what is absent', async () => {
      await store.put('delete/one/file', Buffer.from('1'));
      await store.put('delete/two', Buffer.from('2'));
      await store.put('delete/stays', Buffer.from('3'));
      await store.delete([
        'delete/one/file',
        'delete/two',
        'delete/never-was',
        'delete/one',
        'nowhere/at/all',
      ]);
      await store.delete([]);
      expect(await keysBelow(store, 'delete/')).toEqual(['delete/stays']);
    });

    test('readers see the old object or the new one, never a part', async () => {
      const versions = ['a', 'b'].map((letter) => Buffer.from(letter.repeat(512 * 1024)));
      await store.put('atomic/object', versions[0] as Buffer);
      const writing = { isDone: false };
      const write = async (): Promise<void> => {
        try {
          for (let round = 1; round <= 20; round += 1) {
            await store.put('atomic/object', versions[round % 2] as Buffer);
          }
        } finally {
          writing.isDone = true;
        }
      };
      const readMeanwhile = async (): Promise<void> => {
        while (!writing.isDone) {
          const read = await store.read('atomic/object', { maxBytes: 1024 * 1024 });
          expect(versions.some((version) => read?.equals(version))).toBe(true);
        }
      };
      await Promise.all([write(), readMeanwhile()]);
    });
  });
}
