import type { HeaderList } from '../../runner-client/runner-client.ts';
import { firstLineOf } from '../header-fields.ts';
import { deltaOf } from './cache-control.ts';
import { parseHttpDate } from './http-date.ts';

/** When a response was asked for and when its head arrived: wall clock, milliseconds. */
export type Exchanged = { requestedAtMs: number; receivedAtMs: number };

/** RFC 9111 section 5.1: of a list the first member; what is no delta-seconds is ignored. Seconds. */
export function parseAge(headers: HeaderList): number {
  const first = firstLineOf(headers, 'age')?.split(',', 1)[0]?.trim();
  const age = deltaOf(first);
  return typeof age === 'number' ? age : 0;
}

/** When the response says that it was made; when it arrived, where it does not say (RFC 9110 section 6.6.1). */
export function dateOf(headers: HeaderList, receivedAtMs: number): number {
  const line = firstLineOf(headers, 'date');
  return (line === undefined ? undefined : parseHttpDate(line, receivedAtMs)) ?? receivedAtMs;
}

/**
 * corrected_initial_age (RFC 9111 section 4.2.3), milliseconds. A Date ahead of our clock counts as now. Dates have
 * whole seconds, so the part of a second by which one seems old is no age.
 */
export function initialAgeMs(headers: HeaderList, { requestedAtMs, receivedAtMs }: Exchanged): number {
  const apparentS = Math.floor(Math.max(0, receivedAtMs - dateOf(headers, receivedAtMs)) / 1000);
  const delayMs = Math.max(0, receivedAtMs - requestedAtMs);
  return Math.max(apparentS * 1000, parseAge(headers) * 1000 + delayMs);
}

/** current_age (RFC 9111 section 4.2.3), milliseconds. A clock that was set back adds nothing. */
export function currentAgeMs(stored: { initialAgeMs: number; receivedAtMs: number }, nowMs: number): number {
  return stored.initialAgeMs + Math.max(0, nowMs - stored.receivedAtMs);
}
