import { messageOf } from '../../core/errors.ts';
import type { Context } from '../context.ts';
import { uninstall } from './install.ts';
import { endOrphan, findOrphans } from './rows.ts';

type Parts = Pick<Context, 'db' | 'store' | 'log'>;

/**
 * Ends the certificates of domains that are gone: their objects, keys and what was still to be ordered. Works where
 * nothing is ordered (any more), too. Answers how many.
 */
export async function endOrphans(parts: Parts): Promise<number> {
  let ended = 0;
  const hosts = await findOrphans(parts).catch((error: unknown) => {
    parts.log.warn({ error: messageOf(error) }, 'certificates of removed domains could not be looked for');
    return [];
  });
  for (const host of hosts) if (await endOne(parts, host)) ended += 1;
  return ended;
}

async function endOne(parts: Parts, host: string): Promise<boolean> {
  const { store, log } = parts;
  try {
    const isEnded = await endOrphan(parts, host, async ({ state }) => {
      // What somebody else put there is his to remove.
      if (state !== 'provided') await uninstall(store, host);
    });
    if (isEnded) log.info({ host }, 'the domain is gone, and its certificate with it');
    return isEnded;
  } catch (error) {
    log.warn(
      { host, error: messageOf(error) },
      'the certificate of a removed domain stays until the next look',
    );
    return false;
  }
}
