import { spawn, type ChildProcess } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

/** The repository's root: where the programs are. */
export const REPOSITORY: string = fileURLToPath(new URL('../../', import.meta.url));

export type Exit = { code: number | null; signal: NodeJS.Signals | null };

export type StartedProcess = {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Everything written so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves with the first match in either stream; rejects with the output when the process ends before. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves when the process has ended and its output has been read. */
  readonly exited: Promise<Exit>;
  /** Sends the signal (SIGTERM by default) and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Exit>;
};

export type StartOptions = {
  args?: readonly string[];
  /** Added to a small base environment; nothing else of the caller's environment is passed on. */
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** `pipe`: the test writes to `child.stdin`. By default there is nothing to read. */
  stdin?: 'pipe';
  /** File descriptor that its standard error goes to, instead of being read here. */
  stderr?: number;
  /** Leads a process group of its own: `process.kill(-pid, signal)` signals it and what it started. Default false. */
  isDetached?: boolean;
};

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts a program; it is killed at the latest when the test process ends. */
export function startProcess(command: string, options: StartOptions = {}): StartedProcess {
  const child = spawn(command, options.args ?? [], {
    cwd: options.cwd ?? REPOSITORY,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], TMPDIR: tmpdir(), ...options.env },
    stdio: [options.stdin ?? 'ignore', 'pipe', options.stderr ?? 'pipe'],
    detached: options.isDetached ?? false,
  });
  running.add(child);
  const output = collectOutput(child);
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  // Whoever cares awaits it; a test that does not must not die of an unhandled rejection.
  exited.catch(() => undefined);
  return {
    child,
    pid: child.pid ?? 0,
    ...output,
    exited,
    waitFor: (pattern) => waitFor(child, pattern, { exited, output }),
    stop(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      return exited;
    },
  };
}

/** Starts a TypeScript file of the repository with the Node that runs the tests. */
export function startNode(file: string, options: StartOptions = {}): StartedProcess {
  return startProcess(process.execPath, { ...options, args: [file, ...(options.args ?? [])] });
}

type Output = { stdout(): string; stderr(): string };

function collectOutput(child: ChildProcess): Output {
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk;
    });
  }
  return { stdout: () => text.stdout, stderr: () => text.stderr };
}

type Watched = { exited: Promise<Exit>; output: Output };

function waitFor(
  child: ChildProcess,
  pattern: RegExp,
  { exited, output }: Watched,
): Promise<RegExpExecArray> {
  const matchNow = (): RegExpExecArray | null =>
    pattern.exec(output.stdout()) ?? pattern.exec(output.stderr());
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const match = matchNow();
      if (match === null) return;
      child.stdout?.off('data', look);
      child.stderr?.off('data', look);
      resolve(match);
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    const onExit = (exit: Exit): void => {
      look();
      const text = `${output.stdout()}${output.stderr()}`;
      reject(new Error(`ended (${describe(exit)}) before ${pattern}:\n${text}`));
    };
    exited.then(onExit, reject);
    look();
  });
}

function describe({ code, signal }: Exit): string {
  return signal === null ? `code ${code}` : `signal ${signal}`;
}
