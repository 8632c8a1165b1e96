import { asc, inArray, isNotNull, or, sql } from 'drizzle-orm';
import type { CertificatesDiagnosis } from '../../contracts/certificates.ts';
import { messageOf } from '../../core/errors.ts';
import type { Context } from '../context.ts';
import { certificates } from '../database/schema.ts';
import { within } from '../diagnosis/within.ts';
import type { CertificateKeeper } from './keeper.ts';
import { countStates, isServed, validityOf } from './rows.ts';
import { isLate } from './when.ts';

const MAX_TROUBLED = 20;

/** Null where certificates are not ordered, or the database does not say. */
export async function diagnoseCertificates(
  context: Pick<Context, 'db' | 'clock' | 'certificates'>,
): Promise<CertificatesDiagnosis | null> {
  const { certificates: keeper } = context;
  if (keeper === undefined) return null;
  try {
    const [problem, counts, troubled] = await Promise.all([
      askAuthority(keeper),
      within(() => countStates(context)),
      within(() => findTroubled(context, keeper.settings.renewalMargin)),
    ]);
    return { directoryUrl: keeper.settings.directoryUrl, problem, counts, troubled };
  } catch {
    // The database, or its schema, is what is wrong: that is said elsewhere.
    return null;
  }
}

async function askAuthority({ authority }: CertificateKeeper): Promise<string | null> {
  try {
    await within(() => authority.ping());
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** Those that failed and those whose end is near, the first end first; without any certificate before all. */
async function findTroubled(
  { db, clock }: Pick<Context, 'db' | 'clock'>,
  margin: number,
): Promise<CertificatesDiagnosis['troubled']> {
  const rows = await db
    .select()
    .from(certificates)
    .where(or(inArray(certificates.state, ['failed', 'provided']), isNotNull(certificates.notBefore)))
    .orderBy(sql`${certificates.notAfter} asc nulls first`, asc(certificates.host))
    .limit(500);
  const judged = rows.map((row) => {
    const validity = validityOf(row);
    // Of those that were provided nobody here knows the lifetime: a week is little for any.
    const isEnding =
      validity === undefined
        ? row.notAfter !== null && row.notAfter.getTime() < clock.nowMs() + 7 * 86_400_000
        : isLate(validity, margin, clock.nowMs());
    const notAfter = isServed(row) ? (row.notAfter?.toISOString() ?? null) : null;
    return { host: row.host, state: row.state, notAfter, isLate: isEnding, reason: row.failure };
  });
  return judged
    .filter(({ state, isLate: isEnding, reason }) => state === 'failed' || isEnding || reason !== null)
    .slice(0, MAX_TROUBLED)
    .map(({ host, notAfter, isLate: isEnding, reason }) => ({ host, notAfter, isLate: isEnding, reason }));
}
