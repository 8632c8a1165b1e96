import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { OpenDatabase } from './database.ts';
import { migrateUp, readMigrations } from './migrate.ts';
import { openPglite } from './open-pglite.ts';
import { openPostgres } from './open-postgres.ts';

export type DatabaseOptions = {
  /** `postgres://…`; undefined means the embedded database. */
  url: string | undefined;
  /** Directory of the embedded database. */
  directory: string;
  poolSize: number;
};

/** Opens the database and brings its schema up to date. @throws with what to mend. */
export async function openDatabase(options: DatabaseOptions, log: Logger): Promise<OpenDatabase> {
  const opened = await connect(options, log);
  try {
    const migrations = await readMigrations();
    const applied = await opened.withSession((session) => migrateUp(session, migrations));
    if (applied.length > 0) log.info({ migrations: applied }, 'the database schema was brought up to date');
    return opened;
  } catch (error) {
    await opened.close();
    throw new Error(`the database's schema could not be brought up to date: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Opens the database as it is. */
export async function connect(options: DatabaseOptions, log: Logger): Promise<OpenDatabase> {
  return options.url === undefined
    ? await openPglite(options.directory, log)
    : await openPostgres({ url: options.url, poolSize: options.poolSize }, log);
}
