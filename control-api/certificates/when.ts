import type { CertificateFailureKind } from '../../contracts/certificates.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Pauses double from the first to the last, for each kind of failure. */
const PAUSES_MS: Readonly<Record<CertificateFailureKind, readonly [first: number, last: number]>> = {
  // Costs the authority nothing, and somebody is waiting for his DNS to come round.
  domain: [30_000, HOUR_MS],
  authority: [MINUTE_MS, HOUR_MS],
  // Let's Encrypt takes five failed validations of a host in an hour: this makes three at most.
  refused: [15 * MINUTE_MS, DAY_MS],
  limited: [HOUR_MS, DAY_MS],
  internal: [MINUTE_MS, HOUR_MS],
};

/** How far a moment is spread, as a part of the pause. */
const JITTER = 0.2;

/** What was in the bucket is compared with what was put there as often as this. */
const LOOK_AFTER_MS = DAY_MS;

export type Failure = {
  kind: CertificateFailureKind;
  /** How long the authority asks to be left alone (Retry-After). */
  retryAfterMs?: number | undefined;
};

/** When to try again after the `failures`-th failure in a row. `random` is from 0 to 1. */
export function retryAtMs(failure: Failure, failures: number, nowMs: number, random: number): number {
  const [firstMs, lastMs] = PAUSES_MS[failure.kind];
  const pauseMs = Math.min(lastMs, firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
  const askedMs = Math.min(DAY_MS, failure.retryAfterMs ?? 0);
  // Never before the authority asked, so that is where the spreading begins.
  if (askedMs > pauseMs) return nowMs + askedMs + random * JITTER * askedMs;
  return nowMs + pauseMs * (1 + (random - 0.5) * 2 * JITTER);
}

export type Validity = { notBeforeMs: number; notAfterMs: number };

/**
 * When a certificate is renewed: when `margin` of its lifetime is left, and up to a fifth of that earlier, so that
 * certificates of one day do not all come round on one day. The same for one certificate whenever it is asked.
 *
 * @param spread from 0 to 1, made from the certificate.
 */
export function renewAtMs({ notBeforeMs, notAfterMs }: Validity, margin: number, spread: number): number {
  const lifetimeMs = Math.max(0, notAfterMs - notBeforeMs);
  return notAfterMs - lifetimeMs * Math.min(0.95, margin * (1 + JITTER * spread));
}

/**
 * When to look at an issued certificate next: at its renewal, or after a day to see that the bucket still has it. Never at
 * once, whatever the clocks of this machine and of the authority say of each other: that would order without an end.
 */
export function nextLookMs(
  { renewalMs, lifetimeMs }: { renewalMs: number; lifetimeMs: number },
  nowMs: number,
  random: number,
): number {
  const lookMs = Math.min(renewalMs, nowMs + LOOK_AFTER_MS * (1 - JITTER * random));
  return Math.max(lookMs, nowMs + Math.min(HOUR_MS, Math.max(MINUTE_MS, lifetimeMs / 10)));
}

/** Whether renewal is late: half of the margin has gone by, or the certificate has ended. */
export function isLate({ notBeforeMs, notAfterMs }: Validity, margin: number, nowMs: number): boolean {
  return nowMs > notAfterMs - ((notAfterMs - notBeforeMs) * margin) / 2;
}
