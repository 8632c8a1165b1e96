import { messageOf } from './errors.ts';
import type { Logger } from './log.ts';

/** Something started that can be stopped. `close` is idempotent and resolves when everything is released. */
export type Closable = { close(): Promise<void> };

/** Closes parts in the reverse order of their start; a part that fails to close does not keep the others open. */
export async function closeAll(parts: readonly Closable[], log: Logger): Promise<void> {
  for (const part of parts.toReversed()) {
    try {
      await part.close();
    } catch (error) {
      log.error({ error: messageOf(error) }, 'a part did not close cleanly');
    }
  }
}

export type RunOptions = {
  /** Time for everything to close, milliseconds. */
  closeTimeoutMs: number;
  /** Tells of another request to stop than a signal; it never counts as a second one. Default: signals alone. */
  onStopRequest?: ((stop: () => void) => void) | undefined;
};

/**
 * Runs `start`, then waits for SIGINT or SIGTERM and closes what was started; a signal that comes during the start
 * is obeyed as soon as there is something to close. A start that fails prints one message and exits with code 1;
 * a second signal, or a close that takes longer than `closeTimeoutMs`, exits with 1.
 */
export async function runProgram(
  name: string,
  start: () => Promise<Closable>,
  options: RunOptions,
): Promise<void> {
  const stopRequested = listenForStop(name, options);
  try {
    const program = await start();
    stopRequested
      .then(() => program.close())
      .then(
        () => process.exit(0),
        (error: unknown) => exitWith(`${name}: ${messageOf(error)}`),
      );
  } catch (error) {
    exitWith(describeStartFailure(name, error));
  }
}

/** Resolves at the first signal; from then on the deadline runs, and a second signal ends the process. */
function listenForStop(name: string, { closeTimeoutMs, onStopRequest }: RunOptions): Promise<void> {
  return new Promise((resolve) => {
    let isStopping = false;
    let isSignalled = false;
    const stop = (): void => {
      if (isStopping) return;
      isStopping = true;
      const onDeadline = (): never =>
        exitWith(`${name}: did not stop within ${closeTimeoutMs} ms, ending now`);
      setTimeout(onDeadline, closeTimeoutMs).unref();
      resolve();
    };
    const onSignal = (): void => {
      if (isSignalled) process.exit(1);
      isSignalled = true;
      stop();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
    onStopRequest?.(stop);
  });
}

function exitWith(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** One message that says what to do about the failures that a start meets most. */
export function describeStartFailure(name: string, error: unknown): string {
  const message = messageOf(error);
  if (error instanceof Error && error.name === 'ConfigError') return message;
  const code = (error as NodeJS.ErrnoException | null)?.code;
  const advice = ADVICE[code ?? ''];
  return advice === undefined ? `${name}: ${message}` : `${name}: ${message}. ${advice}`;
}

const NOT_A_DIRECTORY =
  'A directory is needed there: remove the file, or set the variable with this path to another place.';
const NO_SUCH_ADDRESS =
  'It is no address of this machine: set the variable that ends in _HOST to one, such as 127.0.0.1 or 0.0.0.0.';

/** What to do, by the system's error code. */
const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Stop what uses the port, or set another one.',
  EADDRNOTAVAIL: NO_SUCH_ADDRESS,
  ENOTFOUND: NO_SUCH_ADDRESS,
  EACCES: 'Give this user access to it, or name another place.',
  EPERM: 'Give this user access to it, or name another place.',
  EROFS: 'Nothing can be written there: name another place.',
  EEXIST: NOT_A_DIRECTORY,
  ENOTDIR: NOT_A_DIRECTORY,
  ENOSPC: 'Make room on the disk.',
};
