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

/**
 * Runs `start`, then waits for SIGINT or SIGTERM and closes what was started. A start that fails prints one
 * message and exits with code 1; a second signal, or a close that takes longer than `closeTimeoutMs`, exits with 1.
 */
export async function runProgram(
  name: string,
  start: () => Promise<Closable>,
  options: { closeTimeoutMs: number },
): Promise<void> {
  try {
    const program = await start();
    closeOnSignal(name, program, options.closeTimeoutMs);
  } catch (error) {
    process.stderr.write(`${describeStartFailure(name, error)}\n`);
    process.exit(1);
  }
}

function closeOnSignal(name: string, program: Closable, closeTimeoutMs: number): void {
  let isClosing = false;
  const onSignal = (): void => {
    if (isClosing) process.exit(1);
    isClosing = true;
    setTimeout(() => {
      process.stderr.write(`${name}: did not stop within ${closeTimeoutMs} ms, ending now\n`);
      process.exit(1);
    }, closeTimeoutMs).unref();
    program.close().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${name}: ${messageOf(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
}

/** One message that says what to do about the failures that a start meets most. */
export function describeStartFailure(name: string, error: unknown): string {
  const message = messageOf(error);
  if (error instanceof Error && error.name === 'ConfigError') return message;
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === 'EADDRINUSE') return `${name}: ${message}. Stop what uses the port, or set another one.`;
  if (code === 'EACCES') return `${name}: ${message}. Give this user access to it, or name another place.`;
  return `${name}: ${message}`;
}
