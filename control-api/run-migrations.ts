import { z } from 'zod';
import { readEnvironment, type Environment } from '../core/env.ts';
import { describeStartFailure } from '../core/lifecycle.ts';
import { createLogger } from '../core/log.ts';
import { controlApiShape } from './config.ts';
import { migrateDown, migrateUp, migrationState, readMigrations } from './database/migrate.ts';
import { connect } from './database/open-database.ts';

const USAGE = 'usage: migrate up | migrate down [count] | migrate status';

const { DATABASE_URL, DATABASE_POOL_SIZE, ORIGAN_STATE_DIR, LOG_LEVEL } = controlApiShape.shape;
const shape = z.object({ DATABASE_URL, DATABASE_POOL_SIZE, ORIGAN_STATE_DIR, LOG_LEVEL });

/** `migrate up`, `migrate down 1`, `migrate status`: the schema alone, with the program stopped. */
export async function runMigrations(args: readonly string[], env: Environment): Promise<void> {
  try {
    const lines = await migrate(args, env);
    process.stdout.write(`${lines.join('\n')}\n`);
  } catch (error) {
    process.stderr.write(`${describeStartFailure('migrate', error)}\n`);
    process.exitCode = 1;
  }
}

async function migrate([direction, amount = '1']: readonly string[], env: Environment): Promise<string[]> {
  const count = Number(amount);
  if (!Number.isInteger(count) || count < 1) throw new Error(USAGE);
  if (direction !== 'up' && direction !== 'down' && direction !== 'status') throw new Error(USAGE);
  const config = readEnvironment('migrate', shape, env);
  const log = createLogger({ program: 'migrate', level: config.LOG_LEVEL });
  const directory = `${config.ORIGAN_STATE_DIR}/database`;
  const database = await connect(
    { url: config.DATABASE_URL, directory, poolSize: config.DATABASE_POOL_SIZE },
    log,
  );
  try {
    const migrations = await readMigrations();
    return await database.withSession(async (session) => {
      if (direction === 'up') return said('applied', await migrateUp(session, migrations));
      if (direction === 'down') return said('taken back', await migrateDown(session, migrations, count));
      const { applied, pending } = await migrationState(session, migrations);
      return [...said('applied', applied), ...said('pending', pending)];
    });
  } finally {
    await database.close();
  }
}

function said(what: string, names: readonly string[]): string[] {
  return names.length === 0 ? [`${what}: none`] : names.map((name) => `${what}: ${name}`);
}
