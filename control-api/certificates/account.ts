import { and, eq } from 'drizzle-orm';
import type { Context } from '../context.ts';
import { acmeAccounts } from '../database/schema.ts';
import type { AcmeSettings } from './config.ts';
import { makeKey } from './keys.ts';
import { openKey, sealKey } from './sealed-key.ts';

export type Account = { key: string; url: string | undefined };

/**
 * The installation's account with the authority: its key is made once, whichever control API comes first. One that cannot
 * be opened any more, since ENVIRONMENT_KEY was changed, is replaced.
 */
export async function readAccount(
  { db, log }: Pick<Context, 'db' | 'log'>,
  settings: AcmeSettings,
): Promise<Account> {
  const { directoryUrl, sealingKey } = settings;
  const isThis = eq(acmeAccounts.directoryUrl, directoryUrl);
  const made = sealKey(makeKey(), directoryUrl, sealingKey);
  await db.insert(acmeAccounts).values({ directoryUrl, accountKey: made }).onConflictDoNothing();
  const [row] = await db
    .select({ sealed: acmeAccounts.accountKey, url: acmeAccounts.accountUrl })
    .from(acmeAccounts)
    .where(isThis);
  const key = row === undefined ? undefined : openKey(row.sealed, directoryUrl, sealingKey);
  if (row !== undefined && key !== undefined) return { key, url: row.url ?? undefined };
  log.warn(
    { directoryUrl },
    'the account key was sealed with another ENVIRONMENT_KEY: a new account is made',
  );
  const isSame = row === undefined ? isThis : and(isThis, eq(acmeAccounts.accountKey, row.sealed));
  await db.update(acmeAccounts).set({ accountKey: made, accountUrl: null }).where(isSame);
  return await readAccount({ db, log }, settings);
}

/** Null: the authority has forgotten it. */
export async function noteAccountUrl(
  { db }: Pick<Context, 'db'>,
  { directoryUrl }: AcmeSettings,
  accountUrl: string | null,
): Promise<void> {
  await db.update(acmeAccounts).set({ accountUrl }).where(eq(acmeAccounts.directoryUrl, directoryUrl));
}
