import { EdgeError } from '../core/errors.ts';
import type { Resolved } from './lookup.ts';

/** The resolution, or a failure as soon as the caller no longer wants it; the work itself goes on for others. */
export async function untilAborted<Value>(
  work: Promise<Resolved<Value>>,
  signal: AbortSignal | undefined,
): Promise<Resolved<Value>> {
  if (signal === undefined) return work;
  const aborted = Promise.withResolvers<Resolved<Value>>();
  const onAbort = (): void => {
    const cause = new EdgeError('CACHE_FAILED', { detail: 'the caller went away', cause: signal.reason });
    aborted.resolve({ kind: 'failed', cause });
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
