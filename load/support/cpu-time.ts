import { readFile, readdir } from 'node:fs/promises';

/** USER_HZ: fixed at 100 for every Linux user space, whatever the kernel's own clock is. */
const TICKS_PER_SECOND = 100;

/** User and system CPU time of a process and its children so far, in microseconds (steps of 10 ms). */
export async function cpuTimeUs(pid: number): Promise<number> {
  const pids = [pid, ...(await childrenOf(pid))];
  const times = await Promise.all(pids.map(ownTimeUs));
  return times.reduce((sum, time) => sum + time, 0);
}

async function ownTimeUs(pid: number): Promise<number> {
  const [userTicks, systemTicks] = readTicks(await readFile(`/proc/${pid}/stat`, 'utf8'));
  return ((userTicks + systemTicks) * 1_000_000) / TICKS_PER_SECOND;
}

/** utime and stime of a line of /proc/PID/stat: the name of the process may hold spaces and parentheses. */
export function readTicks(line: string): [user: number, system: number] {
  const fields = line
    .slice(line.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  // Fields 14 and 15 of proc(5), counted from 1; the slice begins with field 3.
  return [fields[11] ?? 0, fields[12] ?? 0];
}

async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  );
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
}
