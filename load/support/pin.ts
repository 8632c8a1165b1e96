import { findOnPath } from './find-on-path.ts';

/** The command, kept to one core where `taskset` is installed (Linux): its children inherit it. */
export function pinnedTo(
  core: number,
  command: string,
  args: readonly string[],
): { command: string; args: string[] } {
  const taskset = findOnPath('taskset');
  return taskset === undefined
    ? { command, args: [...args] }
    : { command: taskset, args: ['--cpu-list', String(core), command, ...args] };
}
