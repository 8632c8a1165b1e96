import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiPaths } from '../../../contracts/control-api.ts';
import { silentLogger } from '../../../core/log.ts';
import { createBucketCredentials } from '../../../gateway/tls/bucket-credentials.ts';
import { openStore } from '../../../store/open-store.ts';
import { startAuthorityProxy, type AuthorityProxy } from '../../support/authority-proxy.ts';
import { startCacheServer, type CacheServer } from '../../support/cache-server.ts';
import { acmeEnv } from '../../support/certificate-world.ts';
import { talkTo } from '../../support/control-api.ts';
import { startGatewayProcess, type GatewayProcess } from '../../support/gateway-process.ts';
import { startPebble, type Pebble } from '../../support/pebble.ts';
import { startPostgres, type PostgresServer } from '../../support/postgres.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { forkCrashing } from '../programs/fork-crashing.ts';

// A control API that kills itself before its n-th effect on database or bucket, for every n of a renewal. Between, readers
// that begin with nothing in memory, as a gateway that just started, read the bucket all the time.

const HOST = 'www.crash.test';

let temp: TempDir;
let postgres: PostgresServer;
let cacheServer: CacheServer;
let gateway: GatewayProcess;
let pebble: Pebble;
let authority: AuthorityProxy;
let database: Client;
let databaseUrl = '';
const children = new Set<ChildProcess>();

beforeAll(async () => {
  [temp, postgres, cacheServer] = await Promise.all([
    makeTempDir('certificate-crash'),
    startPostgres(),
    startCacheServer(),
  ]);
  databaseUrl = await postgres.createDatabase();
  gateway = await startGatewayProcess({ runnerUrl: 'http://127.0.0.1:9', bucket: bucket() });
  pebble = await startPebble({ httpPort: gateway.port, env: { PEBBLE_WFE_NONCEREJECT: '5' } });
  authority = await startAuthorityProxy(pebble);
  database = new Client({ connectionString: databaseUrl });
  await database.connect();
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await database?.end();
  await Promise.all([authority?.close(), pebble?.close(), gateway?.close(), cacheServer?.close()]);
  await postgres?.close();
  await temp?.remove();
});

const bucket = (): string => join(temp.path, 'bucket');

function forkAhead(): ChildProcess {
  const child = forkCrashing({
    databaseUrl,
    bucket: bucket(),
    cacheUrl: cacheServer.url,
    stateDirectory: temp.path,
    env: { ...acmeEnv(authority, pebble, gateway.port), ACME_MAX_ORDERS_PER_HOUR: '1000' },
  });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

let ahead: ChildProcess | undefined;

async function start(): Promise<{ child: ChildProcess; url: string }> {
  const child = ahead ?? forkAhead();
  ahead = forkAhead();
  const [message] = await tell(child, { isToStart: true });
  return { child, url: (message as { url: string }).url };
}

async function tell(child: ChildProcess, order: object): Promise<unknown[]> {
  const answer = once(child, 'message');
  child.send(order);
  return await answer;
}

type Row = { state: string; installed: string | null; is_leased: boolean };

async function readRow(): Promise<Row> {
  const { rows } = await database.query<Row>(
    'select state, installed, leased_until is not null as is_leased from certificates where host = $1',
    [HOST],
  );
  return rows[0] ?? { state: 'none', installed: null, is_leased: false };
}

/** Nine tenths of its life are over, as the row says. */
async function makeDue(): Promise<void> {
  await database.query(`update certificates set not_before = now() - interval '90 days',
    not_after = now() + interval '9 days', next_attempt_at = now() - interval '1 second'`);
}

const isRenewed = async (before: string | null): Promise<boolean> => {
  const { state, installed, is_leased: isLeased } = await readRow();
  return state === 'issued' && installed !== before && !isLeased;
};

test('kill -9 at any step of a renewal: the next run goes on, and nobody reads half of it', async () => {
  const ordersBefore = authority.orders();
  const watch = watchBucket();
  let current = await start();
  const api = talkTo(current.url);
  await api.send('POST', apiPaths.projects(), { name: 'site' });
  await api.send('POST', apiPaths.domains('site'), { host: HOST });
  await waitUntil(() => isRenewed(null));
  let crashes = 0;
  for (let step = 1; ; step += 1) {
    const { installed } = await readRow();
    await tell(current.child, { crashAt: step });
    const ended = once(current.child, 'exit').then(() => 'killed' as const);
    await makeDue();
    const renewed = waitUntil(() => isRenewed(installed));
    const outcome = await Promise.race([ended, renewed.then(() => 'renewed' as const)]);
    if (outcome === 'renewed') break;
    crashes += 1;
    // The lease of one that died runs out; two minutes are not waited for here.
    await database.query('update certificates set leased_until = null');
    current = await start();
    await waitUntil(() => isRenewed(installed));
  }
  current.child.kill('SIGKILL');
  // A claim, a proof of our own, an order, its proof, the certificate, key and certificate in the bucket, and commits.
  expect(crashes).toBeGreaterThan(12);
  // One a round, and one more where it died between placing an order and noting it: all others were gone on with.
  expect(authority.orders() - ordersBefore).toBeLessThanOrEqual(2 + crashes + 2);
  expect(await watch.end()).toEqual([]);
  expect(watch.reads()).toBeGreaterThan(crashes);
}, 600_000);

/** Reads as a gateway that knows nothing yet, over and over; answers what could not be used. */
function watchBucket(): { end(): Promise<string[]>; reads(): number } {
  const log = silentLogger();
  const store = openStore({ kind: 'directory', root: bucket() }, { log });
  const problems: string[] = [];
  const stop = new AbortController();
  let reads = 0;
  const watching = (async () => {
    while (!stop.signal.aborted) {
      try {
        if ((await createBucketCredentials({ store, log }).find(HOST)) !== undefined) reads += 1;
      } catch (error) {
        problems.push(String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  return {
    reads: () => reads,
    end: async () => {
      stop.abort();
      await watching;
      return problems;
    },
  };
}
