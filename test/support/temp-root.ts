import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'origan-tests-';

/**
 * Every temporary directory of one run lies in one, removed when the run ends: what a killed program or a
 * failed test leaves behind does not stay. A run that was itself killed is cleaned up after by the next.
 */
export function setup(): () => void {
  const parent = tmpdir();
  for (const name of readdirSync(parent)) if (isLeftBehind(name)) remove(join(parent, name));
  const root = mkdtempSync(join(parent, `${PREFIX}${process.pid}-`));
  // A Postgres that root starts runs as another user, who has to come through.
  chmodSync(root, 0o711);
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = root;
  return () => {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    remove(root);
  };
}

function isLeftBehind(name: string): boolean {
  const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
  return pid !== undefined && !isAlive(Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process is one, too.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function remove(path: string): void {
  try {
    // A program that is just ending may write once more while its directory is emptied.
    rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  } catch {
    // Somebody else's, or still written to: no reason for a run to fail, and the next one tries again.
  }
}
