import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { keys } from '../../cache/keys.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/log.ts';
import { inTransaction, type OpenDatabase } from '../../control-api/database/database.ts';
import { openDatabase } from '../../control-api/database/open-database.ts';
import { Belief } from '../../control-api/endings/belief.ts';
import { noteEndings } from '../../control-api/endings/endings.ts';
import { startPostgres, type PostgresServer } from '../support/postgres.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

// Two control APIs' beliefs on one PostgreSQL, each on its own way there. Left alone they would look once an hour.
const HOUR_MS = 3_600_000;
const log = silentLogger();

let postgres: PostgresServer;
let ways: TcpProxy[];
let databases: OpenDatabase[];
const opened: Belief[] = [];

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.close());

beforeEach(async () => {
  const url = new URL(await postgres.createDatabase());
  ways = [];
  databases = [];
  for (let index = 0; index < 2; index += 1) {
    const way = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    ways.push(way);
    const through = new URL(url);
    through.port = String(way.port);
    databases.push(await openDatabase({ url: through.href, directory: '', poolSize: 2 }, log));
  }
});
afterEach(async () => {
  for (const way of ways) way.allow();
  for (const belief of opened.splice(0)) await belief.close();
  for (const database of databases) await database.close();
  for (const way of ways) await way.close();
});

async function open(index: number, limits: { lookMs?: number; believedMs?: number } = {}): Promise<Belief> {
  const database = at(index);
  const belief = new Belief({
    database,
    clock: systemClock,
    log,
    onUntold: () => undefined,
    lookMs: HOUR_MS,
    believedMs: 2 * HOUR_MS,
    ...limits,
  });
  opened.push(belief);
  await belief.open();
  return belief;
}

function at(index: number): OpenDatabase {
  const database = databases[index];
  if (database === undefined) throw new Error('there are two');
  return database;
}

const ENDED = keys.userOrgs('someone');
const OTHER = keys.userOrgs('someone-else');

/** A change by the first control API that the cache cannot be told of. */
async function change(belief: Belief): Promise<void> {
  belief.doubt(await inTransaction(at(0).db, (tx) => noteEndings(tx, [ENDED])));
  await belief.untilAllDoubt();
}

async function members(): Promise<number> {
  const [row] = await at(0).withSession((session) => session.query('select count(*) as n from control_apis'));
  return Number(row?.['n']);
}

/** Until the connection on which notices come stands. */
async function untilHeard(): Promise<void> {
  const heard = `select count(*) as n from pg_stat_activity where query = 'listen origan_look'
    and datname = current_database()`;
  await expect
    .poll(async () => Number((await at(0).withSession((session) => session.query(heard)))[0]?.['n']))
    .toBe(opened.length);
}

describe('a change that the cache could not be told of', () => {
  it('is heeded by the others before it is answered, at once and not when they next look', async () => {
    const [first, second] = [await open(0), await open(1)];
    await untilHeard();
    expect(second.mayBelieve(ENDED.name)).toBe(true);
    await change(first);
    for (const belief of [first, second])
      expect([belief.mayBelieve(ENDED.name), belief.mayBelieve(OTHER.name)]).toEqual([false, true]);
  });

  it('waits for nobody where nobody else runs, or the other one has ended', async () => {
    const first = await open(0);
    await change(first);
    const second = await open(1);
    expect(second.mayBelieve(ENDED.name)).toBe(false);
    expect(await members()).toBe(2);
    await second.close();
    expect(await members()).toBe(1);
    await change(first);
  });

  it('is found by one that hears no notices when it next looks, and waited for until then', async () => {
    const [first, second] = [await open(0), await open(1, { lookMs: 20 })];
    await untilHeard();
    await at(0).withSession((session) =>
      session.query(`select pg_terminate_backend(pid) from pg_stat_activity
        where query = 'listen origan_look' and datname = current_database()`),
    );
    await change(first);
    expect(second.mayBelieve(ENDED.name)).toBe(false);
  });

  it('waits for one that cannot look until it believes nothing, and never again', async () => {
    const limits = { lookMs: 20, believedMs: 1500 };
    const [first, second] = [await open(0, limits), await open(1, limits)];
    ways[1]?.stall();
    await change(first);
    expect([second.mayBelieve(ENDED.name), second.mayBelieve(OTHER.name)]).toEqual([false, false]);
    expect(await members()).toBe(1);
    // Back, it joins before it believes anything.
    ways[1]?.allow();
    await expect.poll(() => second.mayBelieve(OTHER.name)).toBe(true);
    expect(second.mayBelieve(ENDED.name)).toBe(false);
    expect(await members()).toBe(2);
  });

  it('is believed again by all when one has told the cache', async () => {
    const limits = { lookMs: 20, believedMs: 60_000 };
    const [first, second] = [await open(0, limits), await open(1, limits)];
    await change(first);
    await at(1).withSession((session) => session.query('delete from pending_endings'));
    await expect
      .poll(() => [first, second].map((belief) => belief.mayBelieve(ENDED.name)))
      .toEqual([true, true]);
  });
});
