import type { CacheKey } from '../../cache/keys.ts';
import type { Context } from '../context.ts';
import { toDatabaseError } from '../database/database.ts';

/**
 * What the database says, through the cache. Where the cache fails in any way, or may not have heard of the last change,
 * the database is asked; where the database fails too, its error is thrown.
 */
export async function remember<Value>(
  { cache, belief }: Pick<Context, 'cache' | 'belief'>,
  key: CacheKey<Value>,
  load: () => Promise<Value | undefined>,
  ttlMs?: (value: Value) => number | undefined,
): Promise<Value | undefined> {
  if (!belief.mayBelieve(key.name)) return await load();
  const resolved = await cache.getWithFallback<Value>(key, async () => {
    const value = await load().catch((error: unknown) => {
      throw toDatabaseError(error);
    });
    return value === undefined ? { kind: 'absent' } : { kind: 'found', value, ttlMs: ttlMs?.(value) };
  });
  switch (resolved.kind) {
    case 'found':
      return resolved.value;
    case 'absent':
      return undefined;
    case 'failed':
      return await load();
    default:
      return resolved satisfies never;
  }
}
