import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { PGlite } from '@electric-sql/pglite';
import { drizzle } from 'drizzle-orm/pglite';
import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { OpenDatabase } from './database.ts';
import { lockDirectory } from './directory-lock.ts';
import type { SqlSession } from './migrate.ts';
import { countQueries } from './query-count.ts';

/**
 * PostgreSQL inside this process, its files in `directory`. A second process is kept out; what a killed process was in
 * the middle of is recovered from the write-ahead log, as with a server.
 */
export async function openPglite(directory: string, log: Logger): Promise<OpenDatabase> {
  const lock = await lockDirectory(`${directory}.lock`).catch((error: unknown) => {
    throw whyUnusable(directory, error);
  });
  try {
    await createOnce(directory, log);
    const client = await PGlite.create({ dataDir: directory });
    return wrap(client, async () => {
      await client.close();
      await lock.close();
    });
  } catch (error) {
    await lock.close();
    throw whyUnusable(directory, error);
  }
}

/** The first start creates the files aside and moves them into place: a start that was cut off leaves no half. */
async function createOnce(directory: string, log: Logger): Promise<void> {
  if (await exists(directory)) return;
  const aside = `${directory}.new`;
  log.info({ directory }, 'creating the embedded database; the first start takes some seconds');
  await rm(aside, { recursive: true, force: true });
  await mkdir(aside, { recursive: true });
  const client = await PGlite.create({ dataDir: aside });
  await client.close();
  await rename(aside, directory);
}

function wrap(client: PGlite, close: () => Promise<void>): OpenDatabase {
  const counter = countQueries();
  let closed: Promise<void> | undefined;
  return {
    kind: 'pglite',
    db: drizzle(client, { casing: 'snake_case', logger: counter }),
    // There is one connection, so this is for the start only, before anybody else asks.
    withSession: async (work) => await work(sessionOf(client)),
    ping: async () => {
      await client.query('select 1');
    },
    queryCount: () => counter.count(),
    close: () => (closed ??= close()),
  };
}

function sessionOf(client: PGlite): SqlSession {
  return {
    exec: async (text) => {
      await client.exec(text);
    },
    query: async (text, values = []) => (await client.query<Record<string, unknown>>(text, [...values])).rows,
  };
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

function whyUnusable(directory: string, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (error instanceof Error && error.message.includes('is in use by')) return error;
  const advice =
    code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
      ? 'Give this user the right to write there, or set ORIGAN_STATE_DIR to another directory.'
      : 'If its files are damaged, move the directory away to start empty, or restore it from a copy.';
  return new Error(`the embedded database in ${directory} cannot be opened: ${messageOf(error)}. ${advice}`, {
    cause: error,
  });
}
