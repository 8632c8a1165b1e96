import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getTableColumns, getTableName, is } from 'drizzle-orm';
import { CasingCache } from 'drizzle-orm/casing';
import { PgTable } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpenDatabase } from '../../control-api/database/database.ts';
import {
  migrateDown,
  migrateUp,
  migrationState,
  readMigrations,
} from '../../control-api/database/migrate.ts';
import { connect } from '../../control-api/database/open-database.ts';
import * as schema from '../../control-api/database/schema.ts';
import { silentLogger } from '../../core/log.ts';
import { startPostgres, type PostgresServer } from '../support/postgres.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.close());

describe.each(['pglite', 'postgres'] as const)('migrations on %s', (kind) => {
  let directory: string;
  let database: OpenDatabase;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'origan-migrate-'));
    const url = kind === 'postgres' ? await server.createDatabase() : undefined;
    database = await connect({ url, directory: join(directory, 'database'), poolSize: 4 }, silentLogger());
  });
  afterAll(async () => {
    await database.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const tables = (): Promise<Record<string, unknown>[]> =>
    database.withSession((session) =>
      session.query(
        `select table_name, column_name, is_nullable, column_default is not null as has_default, data_type
         from information_schema.columns where table_schema = 'public' and table_name <> 'schema_migrations'
         order by table_name, column_name`,
      ),
    );

  it('go up, all the way down to nothing, and up again', async () => {
    const migrations = await readMigrations();
    const up = await database.withSession((session) => migrateUp(session, migrations));
    expect(up).toEqual(migrations.map(({ name }) => name));
    const before = await tables();

    const down = await database.withSession((session) => migrateDown(session, migrations, migrations.length));
    expect(down).toEqual(up.toReversed());
    expect(await tables()).toEqual([]);

    await database.withSession((session) => migrateUp(session, migrations));
    expect(await tables()).toEqual(before);
    const state = await database.withSession((session) => migrationState(session, migrations));
    expect(state).toEqual({ applied: up, pending: [] });
  });

  it('create exactly the columns that the queries use', async () => {
    const rows = await tables();
    const migrated = rows.map((row) =>
      [row['table_name'], row['column_name'], row['is_nullable']].map(String).join(' '),
    );
    const casing = new CasingCache('snake_case');
    const used = Object.values(schema)
      .filter((table) => is(table, PgTable))
      .flatMap((table) =>
        Object.values(getTableColumns(table)).map((column) =>
          [getTableName(table), casing.getColumnCasing(column), column.notNull ? 'NO' : 'YES'].join(' '),
        ),
      );
    expect(migrated.toSorted()).toEqual(used.toSorted());
  });

  it('leave the database as it was when one of them fails', async () => {
    const migrations = await readMigrations();
    const before = await tables();
    const broken = {
      name: '9999-broken',
      up: 'create table half (id int); select nothing();',
      down: '',
      checksum: 'x',
    };
    const attempt = database.withSession((session) => migrateUp(session, [...migrations, broken]));
    await expect(attempt).rejects.toThrow(/nothing/);
    expect(await tables()).toEqual(before);
  });

  it('refuse a database that a newer version migrated, and a file that changed', async () => {
    const migrations = await readMigrations();
    const older = database.withSession((session) => migrateUp(session, migrations.slice(0, -1)));
    await expect(older).rejects.toThrow(/run a newer version/);
    const changed = migrations.map((migration) => ({ ...migration, checksum: 'different' }));
    await expect(database.withSession((session) => migrateUp(session, changed))).rejects.toThrow(
      /was changed/,
    );
  });

  it('refuse to change a revision of an environment', async () => {
    await database.withSession(async (session) => {
      await session.exec(`
        insert into organizations (id, name) values ('00000000-0000-4000-8000-000000000001', 'o');
        insert into projects (id, organization_id, ref, name) values
          ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 'abcdefghij', 'p');
        insert into environments (id, project_id, name) values
          ('00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000002', 'production');
        insert into environment_revisions (id, environment_id, number, names, variables, is_sealed) values
          ('00000000-0000-4000-8000-000000000004', '00000000-0000-4000-8000-000000000003', 1, '{A}', '{"A":"1"}', false);
      `);
      const change = session.query(`update environment_revisions set variables = '{}'`);
      await expect(change).rejects.toThrow(/never changes/);
    });
  });
});

describe('the embedded database', () => {
  it('keeps a second one out of its directory, and takes over from a killed one', async () => {
    const root = mkdtempSync(join(tmpdir(), 'origan-lock-'));
    const options = { url: undefined, directory: join(root, 'database'), poolSize: 1 };
    const first = await connect(options, silentLogger());
    await expect(connect(options, silentLogger())).rejects.toThrow(/in use by/);
    await first.close();
    const second = await connect(options, silentLogger());
    await second.close();
    rmSync(root, { recursive: true, force: true });
  });

  it('says what to do when its directory cannot be created', async () => {
    const attempt = connect({ url: undefined, directory: '/dev/null/database', poolSize: 1 }, silentLogger());
    await expect(attempt).rejects.toThrow(/\/dev\/null\/database cannot be opened: /);
  });
});

describe('a database server that does not answer', () => {
  it('is named without its password', async () => {
    const url = 'postgres://someone:secret@127.0.0.1:1/nothing';
    const attempt = connect({ url, directory: '', poolSize: 1 }, silentLogger());
    await expect(attempt).rejects.toThrow('the database at 127.0.0.1:1/nothing cannot be reached');
    await expect(attempt).rejects.not.toThrow(/secret/);
  });
});
