import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, rmdir, stat, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { EdgeError, messageOf } from '../core/errors.ts';
import { findInside, isAbsence, makeRoom, syncDirectory, WRITING } from './directory-paths.ts';
import { withExactSize } from './exact-size.ts';

/** A delete may remove the directory that a write is about to use; then the write makes it anew. */
const MAX_PLACE_ATTEMPTS = 5;
/** An unfinished write older than this has no writer any more. */
const LEFTOVER_AGE_MS = 24 * 3600 * 1000;

export type Write = { body: Buffer | Readable; size?: number | undefined };

/** Writes beside, makes it durable, then renames: a reader sees the old file or the new one, never a part. */
export async function writeFile(root: string, key: string, write: Write): Promise<void> {
  const writing = join(root, WRITING);
  await mkdir(writing, { recursive: true });
  const temporary = join(writing, randomUUID());
  try {
    await writeTemporary(temporary, key, write);
    await place(root, key, temporary);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Deletes the file and the directories that this leaves empty. */
export async function deleteFile(root: string, key: string): Promise<void> {
  const directory = await findInside(root, join(key, '..'));
  if (directory === undefined && dirname(key) !== '.') return;
  try {
    await unlink(join(directory ?? root, basename(key)));
  } catch (error) {
    // A directory of this name holds other objects: there is no object with this key.
    const isDirectory = (error as NodeJS.ErrnoException).code === 'EISDIR';
    if (isAbsence(error) || isDirectory) return;
    throw error;
  }
  await removeEmptyParents(root, key);
}

/** Removes what writers that were killed have left behind. */
export async function removeLeftovers(writing: string): Promise<void> {
  for (const name of await readdir(writing).catch(() => [])) {
    const path = join(writing, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > LEFTOVER_AGE_MS) await rm(path, { force: true });
  }
}

async function writeTemporary(path: string, key: string, { body, size }: Write): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    if (Buffer.isBuffer(body)) await handle.writeFile(body);
    else await writeStream(handle, key, body, size);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeStream(
  handle: FileHandle,
  key: string,
  body: Readable,
  size: number | undefined,
): Promise<void> {
  if (size === undefined) throw failed(key, 'a stream needs its size');
  try {
    await handle.writeFile(withExactSize(body, size));
  } catch (error) {
    const isOfFileSystem = error instanceof Error && 'syscall' in error;
    throw isOfFileSystem ? error : failed(key, messageOf(error));
  }
}

async function place(root: string, key: string, temporary: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const path = await makeRoom(root, key);
      await rename(temporary, path);
      await syncDirectory(dirname(path));
      return;
    } catch (error) {
      const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (!isGone || attempt === MAX_PLACE_ATTEMPTS) throw error;
    }
  }
}

async function removeEmptyParents(root: string, key: string): Promise<void> {
  for (let parent = dirname(key); parent !== '.'; parent = dirname(parent)) {
    const path = await findInside(root, parent);
    const isRemoved =
      path !== undefined &&
      (await rmdir(path).then(
        () => true,
        // Not empty, or someone else's concern: it stays.
        () => false,
      ));
    if (!isRemoved) return;
  }
}

function failed(key: string, why: string): EdgeError {
  return new EdgeError('BUCKET_FAILED', { detail: `bucket: put ${key} failed: ${why}` });
}
