import { drizzle } from 'drizzle-orm/node-postgres';
import { Pool, type PoolClient } from 'pg';
import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { OpenDatabase } from './database.ts';
import type { SqlSession } from './migrate.ts';
import { hearNotices } from './postgres-notices.ts';
import { countQueries } from './query-count.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 30_000;

/** A PostgreSQL server. Connections that break are replaced; a query on a broken one fails. */
export async function openPostgres(
  { url, poolSize }: { url: string; poolSize: number },
  log: Logger,
): Promise<OpenDatabase> {
  const pool = new Pool({
    connectionString: url,
    max: poolSize,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    // A client that died inside a transaction must not hold a track's row for ever.
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
    application_name: 'origan-control-api',
  });
  // An idle connection that breaks: without a listener it would end the process.
  pool.on('error', (error) => log.warn({ error: error.message }, 'a database connection broke'));
  // One that breaks between two queries of a transaction: the next query fails, and that is all that shall.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const counter = countQueries();
  try {
    await pool.query('select 1');
  } catch (error) {
    await pool.end();
    throw new Error(
      `the database at ${placeOf(url)} cannot be reached: ${messageOf(error)}. Check DATABASE_URL and that the server runs.`,
      { cause: error },
    );
  }
  let closed: Promise<void> | undefined;
  return {
    kind: 'postgres',
    db: drizzle(pool, { casing: 'snake_case', logger: counter }),
    withSession: async (work) => {
      const client = await pool.connect();
      try {
        return await work(sessionOf(client));
      } finally {
        client.release();
      }
    },
    hear: (channel, onNotice) => hearNotices(url, { channel, onNotice, log }),
    ping: async () => {
      await pool.query('select 1');
    },
    queryCount: () => counter.count(),
    close: () => (closed ??= pool.end()),
  };
}

function sessionOf(client: PoolClient): SqlSession {
  return {
    exec: async (text) => {
      await client.query(text);
    },
    query: async (text, values = []) => (await client.query<Record<string, unknown>>(text, [...values])).rows,
  };
}

/** Where the server is, without user and password. */
function placeOf(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? 'DATABASE_URL' : `${parsed.host}${parsed.pathname}`;
}
