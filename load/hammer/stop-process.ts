import type { StartedProcess } from '../../test/support/process.ts';

const PATIENCE_MS = 10_000;

/** Asks a program to end, and ends it where it does not. */
export async function stopProcess(program: StartedProcess): Promise<void> {
  const timer = setTimeout(() => program.child.kill('SIGKILL'), PATIENCE_MS);
  await program.stop();
  clearTimeout(timer);
}
