import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Pool } from 'undici';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import { FUNCTION_PATH_HEADER } from '../runner-client/contract.ts';
import { forwardLogs, type LogSink } from './function-logs.ts';
import type { WorkerdFiles } from './workerd-config.ts';

/** Why a process ended. */
export type EndReason = 'crashed' | 'stuck' | 'memory' | 'evicted' | 'idle' | 'closed';

/** Whose functions a process runs. */
export type Owner = { projectId: string; deploymentId: string };

/** A function as the dispatcher loads it. */
export type LoadedFunction = {
  /** Name of its isolate: changes with the code and the environment. */
  id: string;
  code: string;
  env: Readonly<Record<string, string>>;
};

export type ProcessSettings = {
  /** Path of workerd's binary. */
  binary: string;
  files: WorkerdFiles;
  /** Private directory for the sockets; short, since a socket's path has about 100 bytes. */
  directory: string;
  memoryMb: number;
  /** Longest wait for a function's headers. */
  functionTimeoutMs: number;
  log: Logger;
  /** Takes what the functions print. */
  sink: LogSink;
  clock: Clock;
};

// What V8 reserves as writable at start counts as data although it is never touched; measured, with some room.
const RESERVED_DATA_MB = 640;
// RLIMIT_DATA turns an allocation past the limit into a RangeError of the function; no core files of functions' memory;
// and where the whole machine runs out of memory, functions go before the programs that serve everybody.
const LIMIT_AND_EXEC = `
ulimit -c 0
ulimit -d "$1" 2>/dev/null
{ echo 500 > /proc/self/oom_score_adj; } 2>/dev/null
shift
exec "$@"
`;
/** Every so many ticks a process that nobody calls is asked too. */
const REST_TICKS = 8;

// No key of the store: no call can name it.
const WARM_UP = 'warm-up';
const WARM_UP_CODE = 'export default { fetch: (request, env) => new Response(env.NAME) };';

let sequence = 0;

/** One workerd process: first a spare one, then for the rest of its life that of one deployment. */
export class FunctionProcess {
  /** Resolves when it takes calls; rejects when it ended before. */
  readonly ready: Promise<void>;
  /** Resolves when the process is gone. */
  readonly ended: Promise<EndReason>;
  /** Connections to its functions. */
  readonly calls: Pool;
  owner: Owner | undefined;
  /** Calls under way. */
  callCount = 0;
  lastUsedMs = 0;
  readonly #settings: ProcessSettings;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #control: Pool;
  readonly #loaded = new Map<string, string>();
  #endReason: EndReason | undefined;
  #unansweredTicks = 0;
  #ticks = 0;
  #isPinging = false;
  #proof: Promise<void> | undefined;

  constructor(settings: ProcessSettings) {
    this.#settings = settings;
    sequence += 1;
    const socket = join(settings.directory, String(sequence));
    this.#child = startWorkerd(settings, socket);
    this.calls = new Pool('http://function', {
      socketPath: `${socket}.calls`,
      connections: null,
      headersTimeout: settings.functionTimeoutMs,
      bodyTimeout: 0,
      maxHeaderSize: 64 * 1024,
    });
    this.#control = new Pool('http://control', {
      socketPath: `${socket}.control`,
      headersTimeout: 0,
      connections: 4,
    });
    // A connection that the process closed may be the first sign of its end, before its exit is reported.
    this.calls.on('disconnect', (_origin, _targets, error) => {
      if (error.code !== 'UND_ERR_INFO') this.#proof ??= this.#prove();
    });
    const { log, clock, sink } = settings;
    const output = { log, clock, sink, writer: () => this.owner };
    forwardLogs(this.#child.stdout, output);
    forwardLogs(this.#child.stderr, output);
    this.ended = this.#whenEnded();
    this.ready = this.#whenReady();
    // Whoever needs it awaits it; a spare process that nobody waits for must not end the runner.
    this.ready.catch(() => {});
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Why it is ending or has ended; undefined while it lives. */
  get endReason(): EndReason | undefined {
    return this.#endReason;
  }

  /** Resolves when it is certain whether the process lives: pending only after one of its connections broke. */
  get proof(): Promise<void> | undefined {
    return this.#proof;
  }

  /** Whether the function is there in this version. */
  hasLoaded(functionKey: string, version: string): boolean {
    return this.#loaded.get(functionKey) === version;
  }

  /** Makes the function callable; `version` is what `hasLoaded` compares. */
  async load(functionKey: string, version: string, loaded: LoadedFunction): Promise<void> {
    await this.#order('POST', '/load', { functionKey, body: JSON.stringify(loaded) });
    this.#loaded.set(functionKey, version);
  }

  /** Starts the isolate of a loaded function without running anything of the function. */
  async start(functionKey: string): Promise<void> {
    await this.#order('POST', '/start', { functionKey });
  }

  /** Ends it at once; calls under way break off. */
  end(reason: EndReason): void {
    if (this.#endReason !== undefined) return;
    this.#endReason = reason;
    this.#child.kill('SIGKILL');
  }

  /**
   * Looks after it; called at a steady beat. Ticks are counted, not time: a supervisor that was itself held up must not
   * take the answers that wait for it as missing.
   */
  tick(ticksUntilStuck: number): void {
    if (this.#endReason !== undefined) return;
    void this.#checkMemory();
    this.#ticks += 1;
    const isResting = this.callCount === 0 && this.#ticks % REST_TICKS !== 0;
    if (!this.#isPinging) {
      if (!isResting) void this.#ping();
    } else if (++this.#unansweredTicks >= ticksUntilStuck) this.end('stuck');
  }

  async #ping(): Promise<void> {
    this.#isPinging = true;
    this.#unansweredTicks = 0;
    try {
      await this.#order('GET', '/ping');
    } catch {
      // It is ending: its exit says the rest.
    }
    this.#isPinging = false;
  }

  async #prove(): Promise<void> {
    try {
      await this.#order('GET', '/ping');
      this.#proof = undefined;
    } catch {
      // It cannot be reached: whatever is left of it ends here, and nobody takes it any more.
      this.end('crashed');
    }
  }

  // The limit on data makes allocations fail; this catches what slips past it, and systems without the limit.
  async #checkMemory(): Promise<void> {
    const anonymousKb = await readAnonymousKb(this.pid);
    if (anonymousKb !== undefined && anonymousKb > this.#settings.memoryMb * 1024) this.end('memory');
  }

  async #order(
    method: 'GET' | 'POST',
    path: string,
    { functionKey, body: sent }: { functionKey?: string; body?: string } = {},
  ): Promise<void> {
    const headers = functionKey === undefined ? [] : [FUNCTION_PATH_HEADER, toHeader(functionKey)];
    const { statusCode, body } = await this.#control.request({ method, path, headers, body: sent ?? null });
    await body.dump();
    if (statusCode !== 200) throw new Error(`the dispatcher answered ${statusCode} to ${path}`);
  }

  /** The control descriptor names each socket once it listens. */
  async #whenReady(): Promise<void> {
    const reports = this.#child.stdio[3] as Readable;
    const listening = new Promise<void>((resolve) => {
      let text = '';
      reports.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.includes('"calls"') && text.includes('"control"')) resolve();
      });
      reports.on('error', () => {});
    });
    const early = this.ended.then(() => {
      throw new Error('workerd ended before it was ready; the log has what it wrote');
    });
    await Promise.race([listening, early]);
    await Promise.race([this.#warmUp(), early]);
  }

  /** Loads and calls a first function, so that what all of them share is in memory before a deployment comes. */
  async #warmUp(): Promise<void> {
    await this.load(WARM_UP, '', { id: WARM_UP, code: WARM_UP_CODE, env: { NAME: 'value' } });
    const headers = [FUNCTION_PATH_HEADER, WARM_UP];
    const { statusCode, body } = await this.calls.request({ path: '/', method: 'GET', headers });
    await body.dump();
    if (statusCode !== 200) throw new Error(`a first function answered ${statusCode}`);
  }

  async #whenEnded(): Promise<EndReason> {
    try {
      await once(this.#child, 'exit');
    } catch (error) {
      this.#settings.log.error({ error: String(error) }, 'workerd could not be started');
    }
    this.#endReason ??= 'crashed';
    await Promise.all([this.calls.destroy(), this.#control.destroy()]);
    return this.#endReason;
  }
}

/** A header holds bytes: UTF-8, each as one Latin-1 character, as the callers of the runner send it. */
function toHeader(key: string): string {
  return Buffer.from(key, 'utf8').toString('latin1');
}

function startWorkerd(
  settings: ProcessSettings,
  socket: string,
): ChildProcessByStdio<null, Readable, Readable> {
  const limitKb = (RESERVED_DATA_MB + settings.memoryMb) * 1024;
  const workerd = [
    settings.binary,
    'serve',
    '--experimental',
    settings.files.config,
    `--socket-addr=calls=unix:${socket}.calls`,
    `--socket-addr=control=unix:${socket}.control`,
    '--control-fd=3',
  ];
  return spawn('/bin/sh', ['-c', LIMIT_AND_EXEC, 'limit', String(limitKb), ...workerd], {
    cwd: settings.directory,
    // Nothing of the supervisor's environment: it holds the bucket's keys.
    env: { SSL_CERT_FILE: settings.files.certificates, SSL_CERT_DIR: settings.directory },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    // A process group of its own: Ctrl-C in a terminal is for the supervisor, which lets calls finish first.
    detached: true,
  }) as ChildProcessByStdio<null, Readable, Readable>;
}

async function readAnonymousKb(pid: number | undefined): Promise<number | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1]);
  } catch {
    // No such file: not Linux, or the process is gone.
    return undefined;
  }
}
