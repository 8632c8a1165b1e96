import { setTimeout as sleep } from 'node:timers/promises';
import { toEdgeError, type EdgeError } from '../core/errors.ts';
import type { Backend } from './backend.ts';
import type { LockAttempt } from './lock.ts';

/** Keys that one SCAN looks at, whether or not they match. */
const PAGE = 200;

export type SweepOptions = {
  /** Which keys to look at, with `*`: `deployment:*`, `response:*`. */
  pattern: string;
  /** For each name, whether nothing in the source of truth stands behind it any more. */
  areOrphans: (names: readonly string[]) => Promise<readonly boolean[]>;
  /** Default true: only says what it would remove. */
  isDryRun?: boolean | undefined;
  /** Keys that the server looks at per second, those of other patterns included; default 10,000. */
  perSecond?: number | undefined;
  signal?: AbortSignal | undefined;
};

export type SweepReport =
  | { kind: 'swept'; scanned: number; orphans: string[]; removed: number }
  /** Another process is sweeping. */
  | { kind: 'busy' }
  | { kind: 'error'; cause: EdgeError };

/** Removes entries that nothing stands behind any more; one process at a time, slowly. */
export async function sweepOrphans(
  backend: Backend,
  acquire: () => Promise<LockAttempt>,
  options: SweepOptions,
): Promise<SweepReport> {
  const attempt = await acquire();
  if (attempt.kind === 'taken') return { kind: 'busy' };
  if (attempt.kind === 'error') return attempt;
  const { lock } = attempt;
  const signals = [lock.lost, ...(options.signal === undefined ? [] : [options.signal])];
  try {
    return await sweepPages(backend, options, AbortSignal.any(signals));
  } catch (error) {
    return { kind: 'error', cause: toEdgeError(error) };
  } finally {
    await lock.release();
  }
}

async function sweepPages(
  backend: Backend,
  options: SweepOptions,
  signal: AbortSignal,
): Promise<SweepReport> {
  const { pattern, areOrphans, isDryRun = true, perSecond = 10_000 } = options;
  const seen = new Set<string>();
  const orphans: string[] = [];
  let removed = 0;
  let cursor = '0';
  do {
    signal.throwIfAborted();
    const page = await backend.scan(cursor, pattern, PAGE);
    cursor = page.cursor;
    // SCAN may answer a name twice.
    const names = page.names.filter((name) => !seen.has(name));
    for (const name of names) seen.add(name);
    const verdicts = names.length === 0 ? [] : await areOrphans(names);
    const found = names.filter((_name, index) => verdicts[index] === true);
    orphans.push(...found);
    if (!isDryRun && found.length > 0) removed += await backend.remove(found);
    if (cursor !== '0') await sleep((PAGE / perSecond) * 1000, undefined, { signal });
  } while (cursor !== '0');
  return { kind: 'swept', scanned: seen.size, orphans, removed };
}
