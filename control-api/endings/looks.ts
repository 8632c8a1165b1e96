import { setTimeout as pause } from 'node:timers/promises';
import type { OpenDatabase } from '../database/database.ts';
import type { SqlSession } from '../database/migrate.ts';

/** Heard by every control API: there is something to look for. */
export const LOOK_CHANNEL = 'origan_look';
const POLL_MS = 20;

export type Noted = { id: number; name: string };

/** Makes a control API one of those that are waited for. */
export async function join(session: SqlSession, id: string): Promise<void> {
  await session.query('insert into control_apis (id, look) values ($1, 0) on conflict do nothing', [id]);
}

export async function leave(session: SqlSession, id: string): Promise<void> {
  await session.query('delete from control_apis where id = $1', [id]);
}

/** Draws the number of a look: above those of changes made before, below those of changes that it may have missed. */
export async function beginLook(session: SqlSession): Promise<number> {
  const [row] = await session.query(`select nextval('looks') as look`);
  return Number(row?.['look']);
}

export async function readNotes(session: SqlSession, limit: number): Promise<Noted[]> {
  const rows = await session.query('select id, name from pending_endings limit $1', [limit]);
  return rows.map(({ id, name }) => ({ id: Number(id), name: String(name) }));
}

/** Tells that what the look found is heeded. False: others have given this control API up; it has to join again. */
export async function endLook(session: SqlSession, id: string, look: number): Promise<boolean> {
  const rows = await session.query('update control_apis set look = $2 where id = $1 returning id', [
    id,
    look,
  ]);
  return rows.length === 1;
}

/**
 * Has every other control API look, and resolves when all have; or after `limitMs`, when those that have not are given up:
 * they are dead, or so slow that they believe nothing of the cache any more.
 */
export async function haveOthersLook(database: OpenDatabase, id: string, limitMs: number): Promise<void> {
  const look = await database.withSession(async (session) => {
    const drawn = await beginLook(session);
    await session.query('select pg_notify($1, $2)', [LOOK_CHANNEL, '']);
    return drawn;
  });
  const behind = [id, look];
  for (let waitedMs = 0; waitedMs < limitMs; waitedMs += POLL_MS) {
    const [others] = await database.withSession((session) =>
      session.query('select count(*) as count from control_apis where id <> $1 and look <= $2', behind),
    );
    if (Number(others?.['count']) === 0) return;
    await pause(POLL_MS);
  }
  await database.withSession((session) =>
    session.query('delete from control_apis where id <> $1 and look <= $2', behind),
  );
}
