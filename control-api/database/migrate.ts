import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';

/** One connection, for statements that the query builder has no words for. */
export type SqlSession = {
  /** Several statements in one text, without parameters. */
  exec(text: string): Promise<void>;
  query(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
};

export type Migration = { name: string; up: string; down: string; checksum: string };
export type MigrationState = { applied: string[]; pending: string[] };

// Any number will do, as long as every control API of an installation takes the same one.
const LOCK_KEY = 7_777_001;
const FILE = /^(\d{4}-[a-z0-9-]+)\.(up|down)\.sql$/;
const FOLDER: URL = new URL('../migrations/', import.meta.url);

/** Reads every migration in order. @throws when one has no way back or a stray file lies about. */
export async function readMigrations(folder: URL = FOLDER): Promise<Migration[]> {
  const files = (await readdir(folder)).toSorted();
  const stray = files.find((file) => !FILE.test(file));
  if (stray !== undefined) throw new Error(`migrations: ${stray} is not named NNNN-name.up.sql or .down.sql`);
  const names = [...new Set(files.map((file) => file.replace(/\.(?:up|down)\.sql$/, '')))];
  return await Promise.all(names.map((name) => readMigration(folder, name)));
}

/** Brings the database to the newest migration, in one transaction: all or nothing, one program at a time. */
export async function migrateUp(session: SqlSession, migrations: readonly Migration[]): Promise<string[]> {
  return await exclusively(session, async () => {
    const applied = await checkedHistory(session, migrations);
    const pending = migrations.slice(applied.length);
    for (const migration of pending) {
      await session.exec(migration.up);
      const row = [migration.name, migration.checksum];
      await session.query('insert into schema_migrations (name, checksum) values ($1, $2)', row);
    }
    return pending.map(({ name }) => name);
  });
}

/** Takes back the newest `count` migrations. What they created is lost. */
export async function migrateDown(
  session: SqlSession,
  migrations: readonly Migration[],
  count: number,
): Promise<string[]> {
  return await exclusively(session, async () => {
    const applied = await checkedHistory(session, migrations);
    const leaving = migrations.slice(Math.max(0, applied.length - count), applied.length).toReversed();
    for (const migration of leaving) {
      await session.exec(migration.down);
      await session.query('delete from schema_migrations where name = $1', [migration.name]);
    }
    return leaving.map(({ name }) => name);
  });
}

export async function migrationState(
  session: SqlSession,
  migrations: readonly Migration[],
): Promise<MigrationState> {
  const applied = await exclusively(session, () => checkedHistory(session, migrations));
  return { applied, pending: migrations.slice(applied.length).map(({ name }) => name) };
}

async function readMigration(folder: URL, name: string): Promise<Migration> {
  const [up, down] = await Promise.all([
    readFile(new URL(`${name}.up.sql`, folder), 'utf8'),
    readFile(new URL(`${name}.down.sql`, folder), 'utf8'),
  ]);
  return { name, up, down, checksum: createHash('sha256').update(up).digest('hex') };
}

async function exclusively<Result>(session: SqlSession, work: () => Promise<Result>): Promise<Result> {
  await session.exec('begin');
  try {
    await session.query('select pg_advisory_xact_lock($1)', [LOCK_KEY]);
    await session.exec(`create table if not exists schema_migrations (
      name text primary key, checksum text not null, applied_at timestamptz not null default now())`);
    const result = await work();
    await session.exec('commit');
    return result;
  } catch (error) {
    await session.exec('rollback');
    throw error;
  }
}

/** Names of the applied migrations, having made sure that they are a beginning of the ones known here. */
async function checkedHistory(session: SqlSession, migrations: readonly Migration[]): Promise<string[]> {
  const rows = await session.query('select name, checksum from schema_migrations order by name');
  const problem = historyProblem(rows, migrations);
  if (problem !== undefined) throw new Error(problem);
  return rows.map((row) => String(row['name']));
}

/** Why what was applied is no beginning of the migrations known here. */
export function historyProblem(
  applied: readonly Record<string, unknown>[],
  migrations: readonly Migration[],
): string | undefined {
  for (const [index, row] of applied.entries()) {
    const known = migrations[index];
    if (known === undefined || known.name !== row['name']) {
      return `the database has the migration ${String(row['name'])}, which this version does not know: run a newer version of the control API`;
    }
    if (known.checksum !== row['checksum']) {
      return `the migration ${known.name} was changed after it had been applied: restore its file, or start with an empty database`;
    }
  }
  return undefined;
}
