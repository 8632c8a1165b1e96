import { readInstalled, install } from './install.ts';
import { fingerprintOf } from './keys.ts';
import { orderCertificate, type OrderParts } from './order.ts';
import { validityOf, type Attempt, type CertificateRow } from './rows.ts';
import { openKey } from './sealed-key.ts';
import { nextLookMs, renewAtMs } from './when.ts';

/** `kept`: nothing was to be done. `restored`: the bucket had lost it. */
export type Attended = 'issued' | 'kept' | 'restored' | 'provided';

/**
 * Brings one host's certificate to where it should be: orders it when there is none or its renewal is due, and sees that
 * the bucket has it. What somebody else put into the bucket stays.
 *
 * @throws CertificateFailure, Overtaken.
 */
export async function attend(parts: OrderParts, attempt: Attempt): Promise<Attended> {
  const { store } = parts.context;
  const found = await readInstalled(store, attempt.host);
  if (found !== undefined && !isOwn(attempt.row(), found.fingerprint)) {
    const notAfter = found.validity === undefined ? null : new Date(found.validity.notAfterMs);
    const nextAttemptAt = nextLook(parts, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
    const failure = found.validity === undefined ? 'What is in the bucket is no certificate.' : null;
    await attempt.end({ ...FORGOTTEN, ...SETTLED, state: 'provided', failure, notAfter, nextAttemptAt });
    return 'provided';
  }
  const isToOrder = needsOrder(parts, attempt.row());
  if (isToOrder) await orderCertificate(parts, attempt);
  const isInstalled = !isToOrder && found?.fingerprint === fingerprintOf(attempt.row().chain ?? '');
  if (!isInstalled) await putInPlace(parts, attempt);
  const { notBeforeMs = 0, notAfterMs = 0 } = validityOf(attempt.row()) ?? {};
  const nextAttemptAt = nextLook(parts, renewalOf(parts, attempt.row()), notAfterMs - notBeforeMs);
  // Noted here too: an attempt may have died with the certificate in its place and the note not committed.
  const installed = fingerprintOf(attempt.row().chain ?? '') ?? null;
  await attempt.end({ ...SETTLED, state: 'issued', installed, nextAttemptAt });
  return isToOrder ? 'issued' : isInstalled ? 'kept' : 'restored';
}

function nextLook({ context }: OrderParts, renewalMs: number, lifetimeMs: number): Date {
  return new Date(nextLookMs({ renewalMs, lifetimeMs }, context.clock.nowMs(), Math.random()));
}

const SETTLED = { failures: 0, failureKind: null, failure: null } as const;
const FORGOTTEN = {
  orderUrl: null,
  orderKey: null,
  chain: null,
  chainKey: null,
  notBefore: null,
  installed: null,
} as const;

function isOwn({ installed, chain }: CertificateRow, fingerprint: string | undefined): boolean {
  if (fingerprint === undefined) return false;
  return fingerprint === installed || (chain !== null && fingerprint === fingerprintOf(chain));
}

function needsOrder(parts: OrderParts, row: CertificateRow): boolean {
  if (row.chain === null || row.chainKey === null) return true;
  // Sealed with another ENVIRONMENT_KEY: what is in the bucket is served on, and followed by a new one.
  if (openKey(row.chainKey, row.host, parts.settings.sealingKey) === undefined) return true;
  return renewalOf(parts, row) <= parts.context.clock.nowMs();
}

/** When this row's certificate is renewed, milliseconds since the epoch. */
function renewalOf({ settings }: Pick<OrderParts, 'settings'>, row: CertificateRow): number {
  const validity = validityOf(row);
  if (validity === undefined || row.chain === null) return 0;
  // Of the certificate itself, so that every control API comes to the same.
  const spread = Number.parseInt((fingerprintOf(row.chain) ?? '0').slice(0, 8), 16) / 0xff_ff_ff_ff;
  return renewAtMs(validity, settings.renewalMargin, spread);
}

/** While the row is held: a removal of the domain waits, and takes away what was put there. */
async function putInPlace({ context, settings }: OrderParts, attempt: Attempt): Promise<void> {
  await attempt.noteAfter(async () => {
    const { host, chain, chainKey } = attempt.row();
    const key = chainKey === null ? undefined : openKey(chainKey, host, settings.sealingKey);
    if (chain === null || key === undefined) throw new Error(`the certificate of ${host} has no key`);
    await install(context, { host, chain, key });
    return { installed: fingerprintOf(chain) ?? null };
  });
}
