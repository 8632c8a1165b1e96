import { mkdir, open, realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { EdgeError } from '../core/errors.ts';

/** Where unfinished writes lie until they are renamed to their place; no object's key begins with it. */
export const WRITING = '.writing';

/** The key's path, links followed; undefined when it does not exist or leads out of the root. */
export async function findInside(root: string, key: string): Promise<string | undefined> {
  try {
    const [realRoot, found] = await Promise.all([realpath(root), realpath(join(root, key))]);
    return isWithin(realRoot, found) ? found : undefined;
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

/**
 * Creates the directory that the key lies in and answers the key's path. A link on the way that leads out of
 * the root is refused before anything is created behind it.
 */
export async function makeRoom(root: string, key: string): Promise<string> {
  const created = await mkdir(root, { recursive: true });
  if (created !== undefined) await syncUpwards(root, dirname(created));
  let directory = await realpath(root);
  const realRoot = directory;
  for (const segment of key.split('/').slice(0, -1)) {
    directory = await enter(directory, segment);
    if (!isWithin(realRoot, directory)) {
      throw new EdgeError('BUCKET_FAILED', {
        detail: `bucket: put ${key} failed: a link leads out of ${root}`,
      });
    }
  }
  return join(directory, basename(key));
}

/** Whether the error says that there is no such file: also where a file stands in a directory's place. */
export function isAbsence(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].includes(code);
}

/** Makes a rename or a new entry in the directory survive a power failure. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function enter(directory: string, segment: string): Promise<string> {
  const path = join(directory, segment);
  try {
    await mkdir(path);
    await syncDirectory(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return realpath(path);
}

async function syncUpwards(from: string, to: string): Promise<void> {
  for (let path = dirname(from); path.startsWith(to); path = dirname(path)) {
    await syncDirectory(path);
    if (path === dirname(path)) return;
  }
}

function isWithin(root: string, path: string): boolean {
  return path.startsWith(root.endsWith(sep) ? root : root + sep);
}
