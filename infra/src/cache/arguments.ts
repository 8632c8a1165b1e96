import type { MemoryPlan } from '../quantity.ts';

export type ArgumentOptions = MemoryPlan & {
  /** Whether snapshots are kept on a volume. Values carry revisions, so an old snapshot brings back no old domain. */
  isPersistent: boolean;
  /** Five fields of cron; used when persistent. */
  snapshotCron: string;
};

export const PORT = 6379;
export const DATA_DIRECTORY = '/data';
export const ACL_DIRECTORY = '/etc/dragonfly';
export const ACL_FILE = 'users.acl';

/**
 * Arguments of the image's entrypoint (which drops privileges: replacing it by `command` would not). Flags rather
 * than variables or a redis.conf, neither of which Dragonfly reads.
 */
export function dragonflyArguments(options: ArgumentOptions): string[] {
  const { maxMemoryMib, threads, isPersistent, snapshotCron } = options;
  return [
    '--logtostderr',
    '--bind=0.0.0.0',
    `--port=${PORT}`,
    `--aclfile=${ACL_DIRECTORY}/${ACL_FILE}`,
    // Evict near the limit, keys without a lifetime too; without it writes fail when memory is full.
    '--cache_mode=true',
    `--maxmemory=${maxMemoryMib}mb`,
    `--proactor_threads=${threads}`,
    `--dir=${DATA_DIRECTORY}`,
    // An empty name means no snapshots. A name with a suffix is refused with the default format.
    ...(isPersistent ? ['--dbfilename=dump', `--snapshot_cron=${snapshotCron}`] : ['--dbfilename=']),
  ];
}
