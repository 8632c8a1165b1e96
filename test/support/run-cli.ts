import { runCli } from '../../cli/program.ts';
import { systemClock, type Clock } from '../../core/clock.ts';
import { makeTempDir } from './temp-dir.ts';

export type CliRun = { code: number; out: string; err: string };

export type RunOptions = {
  env?: Record<string, string>;
  cwd?: string;
  signal?: AbortSignal;
  input?: string;
  clock?: Clock;
};

/** Runs a command line in this process, in an empty folder with settings of its own, as a script would. */
export async function origan(args: readonly string[], options: RunOptions = {}): Promise<CliRun> {
  const home = await makeTempDir('home');
  const written = { out: '', err: '' };
  try {
    const code = await runCli(args, {
      env: { XDG_CONFIG_HOME: home.path, HOME: home.path, ...options.env },
      cwd: options.cwd ?? home.path,
      terminal: {
        out: (text) => void (written.out += text),
        err: (text) => void (written.err += text),
        isInteractive: false,
        hasColor: false,
        columns: 80,
      },
      clock: options.clock ?? systemClock,
      signal: options.signal ?? new AbortController().signal,
      readInput: async () => options.input,
    });
    return { code, ...written };
  } finally {
    await home.remove();
  }
}
