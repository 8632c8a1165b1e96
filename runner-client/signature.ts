import { createHmac, timingSafeEqual } from 'node:crypto';
import { SIGNED_HEADERS } from './contract.ts';

/** How far the clocks of gateway and runner may differ, and how long a captured signature is of use. */
const FRESH_MS = 60_000;
const FORM = /^t=(\d{1,16}),v1=([0-9a-f]{64})$/;

/** Value of a header by its lower-case name, undefined when it was not sent. */
export type HeaderReader = (name: string) => string | undefined;

export type SignatureVerdict = 'valid' | 'missing' | 'malformed' | 'stale' | 'wrong';

/** The value of SIGNATURE_HEADER for these headers: `t=<ms since the epoch>,v1=<hex HMAC-SHA256>`. */
export function signHeaders(secret: string, read: HeaderReader, nowMs: number): string {
  const time = String(Math.trunc(nowMs));
  return `t=${time},v1=${digest(secret, read, time).toString('hex')}`;
}

/** Checks a signature in constant time. Headers that were not sent are signed too, as absent. */
export function verifySignature(
  secret: string,
  read: HeaderReader,
  given: string | undefined,
  nowMs: number,
): SignatureVerdict {
  if (given === undefined) return 'missing';
  const parts = FORM.exec(given);
  if (parts?.[1] === undefined || parts[2] === undefined) return 'malformed';
  const expected = digest(secret, read, parts[1]);
  if (!timingSafeEqual(expected, Buffer.from(parts[2], 'hex'))) return 'wrong';
  return Math.abs(nowMs - Number(parts[1])) > FRESH_MS ? 'stale' : 'valid';
}

// One line a header, its length before its value: no value can be shifted into another header.
function digest(secret: string, read: HeaderReader, time: string): Buffer {
  const hmac = createHmac('sha256', secret).update(`v1\n${time}\n`);
  for (const name of SIGNED_HEADERS) {
    const value = read(name);
    hmac.update(value === undefined ? `${name}\n` : `${name}:${value.length}:${value}\n`);
  }
  return hmac.digest();
}
