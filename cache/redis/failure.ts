import { EdgeError, messageOf } from '../../core/errors.ts';

/**
 * Why a command failed. `loading`, `readonly`, `connection`, `auth` and `cluster` mean that the server cannot be
 * used at all; `timeout` means it when it repeats; `oom` and `denied` concern that command only.
 */
export type FailureKind =
  | 'timeout'
  | 'connection'
  | 'loading'
  | 'readonly'
  | 'auth'
  | 'cluster'
  | 'oom'
  | 'denied'
  | 'overload'
  | 'other';

/** A failure of the cache server; never reaches a client of the edge. */
export class CacheFailure extends EdgeError {
  readonly kind: FailureKind;

  constructor(kind: FailureKind, detail: string, cause?: unknown) {
    super('CACHE_FAILED', { detail: `cache: ${detail}`, cause });
    this.kind = kind;
  }
}

const BY_CODE: readonly (readonly [pattern: RegExp, kind: FailureKind])[] = [
  [/^(LOADING|BUSY)\b/, 'loading'],
  [/^(READONLY|MISCONF|NOREPLICAS|MASTERDOWN)\b/, 'readonly'],
  [/^(NOAUTH|WRONGPASS)\b|ERR invalid password|ERR AUTH/, 'auth'],
  [/^NOPERM\b|can't run this command/, 'denied'],
  [/^(CLUSTERDOWN|TRYAGAIN|MOVED|ASK)\b|ClusterAllFailed|Too many Cluster redirections/, 'cluster'],
  [/\bOOM\b|Out of memory/i, 'oom'],
  [/READONLY/, 'readonly'],
  [/timed out/i, 'timeout'],
  [
    /ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|Connection is closed|writeable|Socket|max retries/i,
    'connection',
  ],
];

/** What an error of the client library or the server means. */
export function toFailure(error: unknown, command: string): CacheFailure {
  if (error instanceof CacheFailure) return error;
  const message = messageOf(error);
  const name = error instanceof Error ? error.name : '';
  const found = BY_CODE.find(([pattern]) => pattern.test(message) || pattern.test(name));
  const kind = found?.[1] ?? (/MaxRetries|Abort/.test(name) ? 'connection' : 'other');
  return new CacheFailure(kind, `${command}: ${message}`, error);
}
