import { readdirSync, readFileSync } from 'node:fs';

/** Pids of the direct children of a process whose command line contains the word. */
export function childPids(parentPid: number, word: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => parentOf(pid) === parentPid && commandOf(pid).includes(word));
}

/** Whether the process is there and not only waiting to be collected. */
export function isAlive(pid: number): boolean {
  const state = statOf(pid)?.[1];
  return state !== undefined && state !== 'Z' && state !== 'X';
}

function parentOf(pid: number): number | undefined {
  const stat = statOf(pid);
  return stat === undefined ? undefined : Number(stat[2]);
}

function statOf(pid: number): RegExpExecArray | undefined {
  try {
    return /\) (\S) (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? undefined;
  } catch {
    // Gone.
    return undefined;
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    // Gone.
    return '';
  }
}
