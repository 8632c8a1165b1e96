import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';

const START_TIMEOUT_MS = 60_000;

export type CacheServerKind = 'redis' | 'valkey' | 'dragonfly';

const BINARIES: Readonly<Record<CacheServerKind, string>> = {
  redis: 'redis-server',
  valkey: 'valkey-server',
  dragonfly: 'dragonfly',
};

export type CacheServer = {
  kind: CacheServerKind;
  url: string;
  host: string;
  port: number;
  pid: number;
  /** A plain client of the test's own, for looking and for damaging. */
  admin(): Redis;
  /** SIGSTOP and SIGCONT: a server that hangs without closing anything. */
  pause(): void;
  resume(): void;
  /** SIGKILL, as a crash. */
  kill(): Promise<void>;
  /** Starts again on the same port, with the same directory. */
  restart(extraArgs?: readonly string[]): Promise<void>;
  close(): Promise<void>;
};

export type CacheServerOptions = {
  kind?: CacheServerKind;
  args?: readonly string[];
  port?: number;
  password?: string;
  /** Keep a snapshot in the server's directory across restarts; default false. */
  isPersistent?: boolean;
};

/** Kinds of server whose binary is on PATH. */
export function installedCacheServers(): CacheServerKind[] {
  return (Object.keys(BINARIES) as CacheServerKind[]).filter(
    (kind) => findOnPath(BINARIES[kind]) !== undefined,
  );
}

/** Starts a real cache server on a free port of the loopback interface, with a directory of its own. */
export async function startCacheServer(options: CacheServerOptions = {}): Promise<CacheServer> {
  const kind = options.kind ?? preferredKind();
  const binary = findOnPath(BINARIES[kind]);
  if (binary === undefined) {
    throw new Error(`${BINARIES[kind]} is not on PATH: install redis-server 7, valkey-server or dragonfly`);
  }
  const port = options.port ?? (await freePort());
  const directory = mkdtempSync(join(tmpdir(), 'origan-cache-'));
  const started = { binary, kind, port, directory, options };
  let child = await launch(started, []);
  const admins: Redis[] = [];
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGCONT');
    child.kill(signal);
    await gone;
  };
  return {
    kind,
    port,
    host: '127.0.0.1',
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child.pid ?? 0;
    },
    admin: () => {
      const admin = new Redis({ port, host: '127.0.0.1', ...passwordOf(options), maxRetriesPerRequest: 50 });
      admin.on('error', () => undefined);
      admins.push(admin);
      return admin;
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    kill: () => end('SIGKILL'),
    restart: async (extraArgs = []) => {
      await end('SIGKILL');
      child = await launch(started, extraArgs);
    },
    close: async () => {
      for (const admin of admins) admin.disconnect();
      await end('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

type Launch = {
  binary: string;
  kind: CacheServerKind;
  port: number;
  directory: string;
  options: CacheServerOptions;
};

async function launch(started: Launch, extraArgs: readonly string[]): Promise<ChildProcess> {
  const child = spawn(started.binary, [...argsOf(started), ...(started.options.args ?? []), ...extraArgs], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // However this process ends, its servers end with it.
  const endWithParent = (): void => void child.kill('SIGKILL');
  process.once('exit', endWithParent);
  child.once('exit', () => process.off('exit', endWithParent));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-4000);
    });
  }
  const probe = new Redis({
    port: started.port,
    host: '127.0.0.1',
    ...passwordOf(started.options),
    enableReadyCheck: false,
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
  });
  probe.on('error', () => undefined);
  try {
    await Promise.race([answers(probe), failsToStart(child, () => output)]);
    return child;
  } finally {
    probe.disconnect();
  }
}

// A server that loads a snapshot answers too: with -LOADING, which is what some tests want to see.
async function answers(probe: Redis): Promise<void> {
  await probe.ping().catch((error: unknown) => {
    if (!(error instanceof Error) || !/LOADING|NOAUTH|NOPERM/.test(error.message)) throw error;
  });
}

function failsToStart(child: ChildProcess, output: () => string): Promise<never> {
  return new Promise((_resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer: ${output()}`)), START_TIMEOUT_MS).unref();
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`the cache server ended with ${code}: ${output()}`));
    });
  });
}

function argsOf({ kind, port, directory, options }: Launch): string[] {
  const isPersistent = options.isPersistent ?? false;
  if (kind === 'dragonfly') {
    const password = options.password === undefined ? [] : [`--requirepass=${options.password}`];
    const file = `--dbfilename=${isPersistent ? 'dump' : ''}`;
    return [
      `--port=${port}`,
      '--bind=127.0.0.1',
      `--dir=${directory}`,
      '--proactor_threads=1',
      file,
      ...password,
    ];
  }
  const password = options.password === undefined ? [] : ['--requirepass', options.password];
  const common = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', ''];
  return [...common, '--appendonly', 'no', ...password];
}

function passwordOf(options: CacheServerOptions): { password?: string } {
  return options.password === undefined ? {} : { password: options.password };
}

function preferredKind(): CacheServerKind {
  return installedCacheServers()[0] ?? 'redis';
}

function findOnPath(binary: string): string | undefined {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(directory, binary);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here: on to the next directory.
    }
  }
  return undefined;
}
