import { mkdir, readdir, symlink, utimes, writeFile, readFile, chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../core/log.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { openStore } from '../../store/open-store.ts';
import { startNode } from '../support/process.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

let directory: TempDir;
let root: string;
let store: ObjectStore;

const at = (path: string): ObjectStore =>
  openStore({ kind: 'directory', root: path }, { log: silentLogger() });

beforeEach(async () => {
  directory = await makeTempDir('directory-store');
  root = join(directory.path, 'objects');
  await mkdir(root);
  store = at(root);
});
afterEach(() => directory.remove());

describe('the root is never left', () => {
  let outside: string;
  beforeEach(async () => {
    outside = join(directory.path, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'secret'), 'secret');
    await symlink(outside, join(root, 'link'));
    await symlink(join(outside, 'secret'), join(root, 'linked-file'));
    // A sibling whose name begins with the root's name is outside as well.
    await mkdir(join(directory.path, 'objects-too'));
    await writeFile(join(directory.path, 'objects-too', 'file'), 'secret');
    await symlink('../objects-too', join(root, 'sibling'));
  });

  test.each(['link/secret', 'linked-file', 'sibling/file'])('%s cannot be read', async (key) => {
    expect(await store.get(key)).toBeUndefined();
    expect(await store.head(key)).toBeUndefined();
    expect(await store.read(key, { maxBytes: 100 })).toBeUndefined();
  });

  test('nothing is created, changed or deleted behind a link', async () => {
    await expect(store.put('link/new/file', Buffer.from('x'))).rejects.toThrow(/a link leads out of/);
    await expect(store.put('link/secret', Buffer.from('x'))).rejects.toMatchObject({ code: 'BUCKET_FAILED' });
    await store.delete(['link/secret', 'linked-file']);
    expect(await readdir(outside)).toEqual(['secret']);
    expect(String(await readFile(join(outside, 'secret')))).toBe('secret');
  });

  test('a write replaces a link instead of following it', async () => {
    await store.put('linked-file', Buffer.from('mine'));
    expect(String(await readFile(join(outside, 'secret')))).toBe('secret');
    expect(String(await store.read('linked-file', { maxBytes: 10 }))).toBe('mine');
  });

  test('listings leave links to other places out', async () => {
    await store.put('inside', Buffer.from('x'));
    const keys: string[] = [];
    for await (const { key } of store.list('')) keys.push(key);
    expect(keys).toEqual(['inside']);
  });
});

describe('check', () => {
  test('says what to mend about a directory that does not exist', async () => {
    await expect(at(join(root, 'missing')).check()).rejects.toThrow(
      /BUCKET_URL names .*missing, which does not exist: create it/,
    );
  });

  test('says what to mend about a file in its place', async () => {
    await writeFile(join(root, 'file'), '');
    await expect(at(join(root, 'file')).check()).rejects.toThrow(/which is not a directory/);
  });

  test('says what to mend about a directory that cannot be read', async () => {
    await chmod(root, 0o000);
    const program = startNode('test/store/programs/check-unprivileged.ts', { args: [root] });
    const [line] = await program.waitFor(/^checked: .*$/m);
    expect(line).toMatch(/which cannot be read: give this user access to it/);
    await chmod(root, 0o700);
  });

  test('removes what killed writers left behind, and nothing younger', async () => {
    const writing = join(root, '.writing');
    await mkdir(writing);
    for (const name of ['old', 'young']) await writeFile(join(writing, name), 'part');
    const longAgo = new Date(Date.now() - 48 * 3600 * 1000);
    await utimes(join(writing, 'old'), longAgo, longAgo);
    await store.check();
    expect(await readdir(writing)).toEqual(['young']);
  });
});

describe('files', () => {
  test('unfinished writes are no objects', async () => {
    const writing = new Readable({ read: () => undefined });
    const put = store.put('slow/object', writing, { size: 4 });
    writing.push('ab');
    await expect.poll(() => readdir(join(root, '.writing'))).toHaveLength(1);
    const keys: string[] = [];
    for await (const { key } of store.list('')) keys.push(key);
    expect(keys).toEqual([]);
    await expect(store.get('.writing/x')).rejects.toThrow(/reserved/);
    writing.push('cd');
    writing.push(null);
    await put;
    expect(String(await store.read('slow/object', { maxBytes: 4 }))).toBe('abcd');
    expect(await readdir(join(root, '.writing'))).toEqual([]);
  });

  test('a failed write leaves nothing behind', async () => {
    await expect(store.put('x', Readable.from(['abc']), { size: 2 })).rejects.toThrow();
    expect(await readdir(join(root, '.writing'))).toEqual([]);
    expect(await store.head('x')).toBeUndefined();
  });

  test('a directory is no object, and a file no directory', async () => {
    await store.put('a/b', Buffer.from('x'));
    expect(await store.get('a')).toBeUndefined();
    await expect(store.put('a', Buffer.from('x'))).rejects.toMatchObject({ code: 'BUCKET_FAILED' });
    await expect(store.put('a/b/c', Buffer.from('x'))).rejects.toMatchObject({ code: 'BUCKET_FAILED' });
    expect(String(await store.read('a/b', { maxBytes: 1 }))).toBe('x');
  });

  test('a name that is too long for the file system is absent, and a failure to write', async () => {
    const key = `a/${'x'.repeat(300)}`;
    expect(await store.get(key)).toBeUndefined();
    await expect(store.put(key, Buffer.from('x'))).rejects.toMatchObject({ code: 'BUCKET_FAILED' });
  });

  test('deleting leaves no empty directories', async () => {
    await store.put('deep/er/and/deeper', Buffer.from('x'));
    await store.put('deep/stays', Buffer.from('x'));
    await store.delete(['deep/er/and/deeper']);
    expect(await readdir(join(root, 'deep'))).toEqual(['stays']);
  });

  test('writes and deletes in the same directory do not disturb each other', async () => {
    const rounds = Array.from({ length: 40 }, (_, index) => index);
    await Promise.all(
      rounds.flatMap((index) => [
        store.put(`busy/dir/${index}`, Buffer.from('x')).then(() => store.delete([`busy/dir/${index}`])),
      ]),
    );
    await store.put('busy/dir/last', Buffer.from('x'));
    expect(await store.head('busy/dir/last')).toBeDefined();
  });

  test('two stores of one directory see each other', async () => {
    await at(root).put('shared', Buffer.from('x'));
    expect(await store.head('shared')).toMatchObject({ size: 1 });
  });
});
