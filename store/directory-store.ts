import { constants } from 'node:fs';
import { access, open, opendir, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { addAbortSignal, Readable } from 'node:stream';
import { EdgeError, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { findInside, isAbsence, WRITING } from './directory-paths.ts';
import { deleteFile, removeLeftovers, writeFile } from './directory-write.ts';
import { clampRange, requireSafeKey, requireSafePrefix, requireSoundRange } from './key.ts';
import type { ObjectBody, ObjectHead, ObjectStore, ReadOptions } from './object-store.ts';
import { readAll } from './read-all.ts';

/** Never follow a link that appeared after the check, never wait for a pipe's other end. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Objects as files below a directory: development, tests, and installations of one machine. */
export function createDirectoryStore(root: string, log: Logger): ObjectStore {
  const get = (key: string, options: ReadOptions = {}): Promise<ObjectBody | undefined> =>
    failing(`get ${key}`, () => getFile(root, key, options));
  return {
    kind: 'directory',
    get,
    head: (key, { signal } = {}) =>
      failing(`head ${key}`, async () => {
        signal?.throwIfAborted();
        const file = await openFile(root, key);
        await file?.handle.close();
        return file?.head;
      }),
    read: (key, { maxBytes, signal }) => readAll(get, key, { maxBytes, signal, maxAttempts: 1 }),
    put: (key, body, { size } = {}) => {
      return failing(`put ${key}`, async () => {
        requireObjectKey(key);
        await writeFile(root, key, { body, size });
      });
    },
    delete: async (keys): Promise<void> => {
      for (const key of keys) requireObjectKey(key);
      for (const key of keys) await failing(`delete ${key}`, () => deleteFile(root, key));
    },
    list: (prefix) => listFiles(root, prefix),
    check: () => checkDirectory(root, log),
    close: async (): Promise<void> => {
      // Nothing is kept open between calls.
    },
  };
}

type OpenFile = { handle: FileHandle; head: ObjectHead };

async function getFile(root: string, key: string, options: ReadOptions): Promise<ObjectBody | undefined> {
  const { range, signal } = options;
  if (range !== undefined) requireSoundRange(range);
  signal?.throwIfAborted();
  const file = await openFile(root, key);
  if (file === undefined) return undefined;
  try {
    const part = range === undefined ? {} : clampRange(range, file.head.size);
    const isEmpty = file.head.size === 0;
    const body = isEmpty ? await emptyBody(file.handle) : file.handle.createReadStream(part);
    return { ...file.head, body: signal === undefined ? body : addAbortSignal(signal, body) };
  } catch (error) {
    await file.handle.close();
    throw error;
  }
}

async function emptyBody(handle: FileHandle): Promise<Readable> {
  await handle.close();
  return Readable.from([]);
}

async function openFile(root: string, key: string): Promise<OpenFile | undefined> {
  requireObjectKey(key);
  const path = await findInside(root, key);
  if (path === undefined) return undefined;
  let handle: FileHandle;
  try {
    handle = await open(path, OPEN_FLAGS);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
  const found = await handle.stat();
  if (found.isFile()) return { handle, head: { size: found.size, modifiedAtMs: found.mtimeMs } };
  await handle.close();
  return undefined;
}

async function* listFiles(root: string, prefix: string): AsyncGenerator<{ key: string } & ObjectHead> {
  requireSafePrefix(prefix);
  const directory = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  for await (const key of walk(root, directory)) {
    if (!key.startsWith(prefix)) continue;
    const file = await failing(`list ${prefix}`, () => openFile(root, key));
    if (file === undefined) continue;
    await file.handle.close();
    yield { key, ...file.head };
  }
}

/** Keys of the files below a directory (`''` or ending in a slash). Links to directories are not followed. */
async function* walk(root: string, directory: string): AsyncGenerator<string> {
  const path = directory === '' ? root : await findInside(root, directory.slice(0, -1));
  if (path === undefined) return;
  const names = await failing(`list ${directory}`, () => namesIn(path));
  for (const { name, isDirectory } of names) {
    if (isDirectory) yield* walk(root, `${directory}${name}/`);
    else yield directory + name;
  }
}

async function namesIn(path: string): Promise<{ name: string; isDirectory: boolean }[]> {
  const names: { name: string; isDirectory: boolean }[] = [];
  try {
    for await (const entry of await opendir(path)) {
      if (entry.name !== WRITING) names.push({ name: entry.name, isDirectory: entry.isDirectory() });
    }
  } catch (error) {
    // Deleted while it was listed, or never there: nothing to list.
    if (!isAbsence(error)) throw error;
  }
  return names;
}

async function checkDirectory(root: string, log: Logger): Promise<void> {
  const problem = await whyUnreadable(root);
  if (problem !== undefined) {
    throw new EdgeError('BUCKET_FAILED', { detail: `BUCKET_URL names ${root}, ${problem}` });
  }
  await removeLeftovers(join(root, WRITING)).catch((error: unknown) => {
    log.warn({ error: messageOf(error) }, 'leftovers of unfinished writes could not be removed');
  });
}

async function whyUnreadable(root: string): Promise<string | undefined> {
  try {
    if (!(await stat(root)).isDirectory()) return 'which is not a directory: name one';
    await access(root, constants.R_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    if (isAbsence(error)) return 'which does not exist: create it, or name another directory';
    return `which cannot be read: give this user access to it (${messageOf(error)})`;
  }
}

function requireObjectKey(key: string): void {
  requireSafeKey(key);
  if (key === WRITING || key.startsWith(`${WRITING}/`))
    throw new Error('refused: the object key is reserved');
}

/** Turns the failures of the file system into the error that every store throws. */
async function failing<Result>(what: string, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    const isOfFileSystem = error instanceof Error && 'syscall' in error;
    if (!isOfFileSystem) throw error;
    throw new EdgeError('BUCKET_FAILED', {
      detail: `bucket: ${what} failed: ${messageOf(error)}`,
      cause: error,
    });
  }
}
