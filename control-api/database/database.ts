import { DrizzleQueryError, sql, type SQL } from 'drizzle-orm';
import type { PgColumn, PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';
import { EdgeError, messageOf } from '../../core/errors.ts';
import type { Closable } from '../../core/lifecycle.ts';
import { Failure } from '../failure.ts';
import type { SqlSession } from './migrate.ts';

/** The query builder; the same on the embedded database and on a server. A transaction is one too. */
export type Database = PgDatabase<PgQueryResultHKT>;

export type OpenDatabase = {
  readonly kind: 'pglite' | 'postgres';
  readonly db: Database;
  /** Runs statements on one connection. */
  withSession<Result>(work: (session: SqlSession) => Promise<Result>): Promise<Result>;
  /** Calls back when somebody notifies the channel, as a hint. Undefined where nobody else can be connected. */
  hear?: (channel: string, onNotice: () => void) => Closable;
  /** Resolves when the database answers; throws otherwise. */
  ping(): Promise<void>;
  /** Queries sent since the start: what a test or a measurement reads. */
  queryCount(): number;
  close(): Promise<void>;
};

const MAX_ATTEMPTS = 4;
// Of PostgreSQL's appendix A: serialization_failure, deadlock_detected, and foreign_key_violation, which says that what
// was just found had been deleted by the time it was referred to: looked for again, it is made anew or not found.
const RETRYABLE_STATES: ReadonlySet<string> = new Set(['40001', '40P01', '23503']);
// Classes and codes that say "not now": connection trouble, out of resources, shutting down.
const UNAVAILABLE = /^(?:08|53|57P)|^ECONN|^EPIPE$|^ETIMEDOUT$|^ENOTFOUND$|^EAI_AGAIN$/;

/** A transaction, run again when the database chose it as the victim of a conflict. Failures come as EdgeErrors. */
export async function inTransaction<Result>(
  db: Database,
  work: (transaction: Database) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await db.transaction(work);
    } catch (error) {
      if (attempt < MAX_ATTEMPTS && RETRYABLE_STATES.has(sqlState(error) ?? '')) continue;
      throw toDatabaseError(error);
    }
  }
}

/** PostgreSQL's five-character state, or the system's error code, of a failed query. */
export function sqlState(error: unknown): string | undefined {
  const cause = error instanceof DrizzleQueryError ? error.cause : error;
  const code = (cause as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

export function isUniqueViolation(error: unknown): boolean {
  return sqlState(error) === '23505';
}

// character_not_in_repertoire: the one character that JSON has and PostgreSQL's texts do not is NUL.
const BAD_CHARACTER = '22021';

/**
 * CONTROL_API_FAILED (503) where the database could not be reached, BAD_REQUEST where it cannot keep a text, the error
 * itself otherwise.
 */
export function toDatabaseError(error: unknown): unknown {
  if (sqlState(error) === BAD_CHARACTER) {
    return new Failure('BAD_REQUEST', 'A value contains NUL, which no name or text can have.', {
      cause: error,
    });
  }
  const cause = error instanceof DrizzleQueryError ? error.cause : error;
  const isDown =
    UNAVAILABLE.test(sqlState(error) ?? '') ||
    // node-postgres says these without a code.
    /Connection terminated|timeout exceeded when trying to connect|pool after calling end/.test(
      messageOf(cause),
    );
  return isDown
    ? new EdgeError('CONTROL_API_FAILED', { cause, detail: `the database failed: ${messageOf(cause)}` })
    : error;
}

/** In the update part of an upsert: the value that the insert would have given. */
export function excluded(column: PgColumn): SQL {
  return sql`excluded.${sql.identifier(toSnakeCase(column.name))}`;
}

function toSnakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
