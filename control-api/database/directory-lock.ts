import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Closable } from '../../core/lifecycle.ts';

/**
 * Keeps a second process out of a directory: two embedded databases on the same files would destroy them. The lock is
 * a file with the holder's process id and start time; what a process left behind that was killed is taken over.
 *
 * @throws when a living process holds it.
 */
export async function lockDirectory(lockFile: string): Promise<Closable> {
  await mkdir(dirname(lockFile), { recursive: true });
  const mine = await describeProcess(process.pid);
  if (!(await tryCreate(lockFile, mine))) {
    await refuseLivingHolder(lockFile, mine);
    await rm(lockFile, { force: true });
    if (!(await tryCreate(lockFile, mine))) throw inUse(lockFile, 'another process');
  }
  return { close: () => rm(lockFile, { force: true }) };
}

async function tryCreate(lockFile: string, content: string): Promise<boolean> {
  try {
    await writeFile(lockFile, content, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function refuseLivingHolder(lockFile: string, mine: string): Promise<void> {
  const holder = (await readFile(lockFile, 'utf8')).trim();
  const pid = Number(holder.split(' ')[0]);
  if (holder === mine) throw inUse(lockFile, 'this process already');
  // After a kill the id may belong to somebody else, or in a container to this very process: the start time tells.
  if (isAlive(pid) && (await describeProcess(pid)) === holder) throw inUse(lockFile, `process ${pid}`);
}

function inUse(lockFile: string, holder: string): Error {
  return new Error(
    `${dirname(lockFile)} is in use by ${holder}. Stop it, or set ORIGAN_STATE_DIR to another directory.`,
  );
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The id, and on Linux the start time in clock ticks since boot (field 22 of /proc/{pid}/stat). */
async function describeProcess(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold spaces: count from behind it.
    const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    return `${pid} ${startTime}`;
  } catch {
    // No /proc on this system: the id alone has to do.
    return `${pid}`;
  }
}
