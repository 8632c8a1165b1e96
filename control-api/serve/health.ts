import type { Health } from '../../contracts/control-api.ts';
import { messageOf } from '../../core/errors.ts';
import { packageVersion } from '../../core/package-version.ts';
import type { Context } from '../context.ts';

const DEADLINE_MS = 2000;

/** Asks each part, within two seconds. The database decides: without it nothing can be answered. */
export async function readHealth(context: Context): Promise<Health> {
  const [database, store] = await Promise.all([
    probe(context, 'database', () => context.database.ping()),
    probe(context, 'store', () => context.store.check()),
  ]);
  const cache = context.cache.state();
  const isDegraded = store === 'down' || cache === 'down';
  return {
    status: database === 'down' ? 'down' : isDegraded ? 'degraded' : 'ok',
    version: packageVersion,
    database,
    cache,
    store,
  };
}

async function probe(context: Context, part: string, ask: () => Promise<void>): Promise<'up' | 'down'> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${DEADLINE_MS} ms`)), DEADLINE_MS);
  });
  try {
    await Promise.race([ask(), deadline]);
    return 'up';
  } catch (error) {
    context.log.warn({ part, error: messageOf(error) }, 'a part is down');
    return 'down';
  } finally {
    clearTimeout(timer);
  }
}
