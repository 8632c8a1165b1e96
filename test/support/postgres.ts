import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { freePort } from './free-port.ts';

const run = promisify(execFile);
const VERSIONS = '/usr/lib/postgresql';
// PostgreSQL refuses to run as root; Debian's package brings this user.
const USER = 'postgres';

export type PostgresServer = {
  /** Creates an empty database and answers its URL. */
  createDatabase(): Promise<string>;
  /** Stops the server as a crash would, and starts it again on the same port and files. */
  crash(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
};

/** A real PostgreSQL server on a free loopback port, its files in a temporary directory. */
export async function startPostgres(): Promise<PostgresServer> {
  const bin = findBinaries();
  const owner = await findOwner();
  const root = mkdtempSync(join(tmpdir(), 'origan-postgres-'));
  chmodSync(root, 0o777);
  const data = join(root, 'data');
  await run(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'origan', '-A', 'trust', '--no-sync', '-E', 'UTF8'],
    owner,
  );
  const port = await freePort();
  let child = await launch({ bin, data, root, port, owner });
  const url = (database: string): string => `postgres://origan@127.0.0.1:${port}/${database}`;
  let databases = 0;
  return {
    createDatabase: async () => {
      databases += 1;
      await execute(url('postgres'), `create database test_${databases}`);
      return url(`test_${databases}`);
    },
    crash: () => stop(child, 'SIGQUIT'),
    restart: async () => {
      child = await launch({ bin, data, root, port, owner });
    },
    close: async () => {
      await stop(child, 'SIGINT');
      rmSync(root, { recursive: true, force: true });
    },
  };
}

type Identity = { uid?: number; gid?: number };
type Launch = { bin: string; data: string; root: string; port: number; owner: Identity };

async function launch({ bin, data, root, port, owner }: Launch): Promise<ChildProcess> {
  const flags = ['-D', data, '-k', root, '-p', String(port), '-c', 'listen_addresses=127.0.0.1'];
  // Tests crash programs, not machines: without syncing they run several times faster.
  const quick = ['-c', 'fsync=off', '-c', 'max_connections=100', '-c', 'shared_buffers=32MB'];
  const child = spawn(join(bin, 'postgres'), [...flags, ...quick], {
    ...owner,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', () => {
      if (output.includes('ready to accept connections')) resolve();
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`postgres ended with ${code}:\n${output}`)));
  });
  return child;
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}

function findBinaries(): string {
  const newest = existsSync(VERSIONS)
    ? readdirSync(VERSIONS).toSorted((left, right) => Number(right) - Number(left))[0]
    : undefined;
  if (newest !== undefined) return join(VERSIONS, newest, 'bin');
  throw new Error('these tests need PostgreSQL: apt-get install -y postgresql');
}

async function findOwner(): Promise<Identity> {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (flag) => (await run('id', [flag, USER])).stdout),
  );
  return { uid: Number(uid), gid: Number(gid) };
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(statement);
  await client.end();
}
