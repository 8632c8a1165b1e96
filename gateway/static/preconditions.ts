import type { IncomingHttpHeaders } from 'node:http';
import { matchesStrongly, matchesWeakly, type EntityTag } from './etag.ts';
import { parseHttpDate } from '../response-cache/http-date.ts';

/** What identifies the state of the representation that would be sent. */
export type Validators = {
  etag: EntityTag | undefined;
  /** Only where there is an honest source for it; whole seconds. */
  lastModifiedMs: number | undefined;
};

/** What the preconditions make of a request whose answer would otherwise be 200. */
export type Verdict = 'proceed' | 'not-modified' | 'precondition-failed';

export type ConditionalRequest = { method: string; headers: IncomingHttpHeaders; nowMs: number };

/** RFC 9110 section 13.2.2, steps 1 to 4; step 5 (If-Range) is part of selecting the range. */
export function evaluatePreconditions(
  { method, headers, nowMs }: ConditionalRequest,
  { etag, lastModifiedMs }: Validators,
): Verdict {
  const ifMatch = headers['if-match'];
  const ifNoneMatch = headers['if-none-match'];
  // 13.1.1: strong comparison. If-Unmodified-Since counts only without it (13.1.4).
  if (ifMatch !== undefined) {
    if (!matchesStrongly(ifMatch, etag)) return 'precondition-failed';
  } else if (isAfter(lastModifiedMs, headers['if-unmodified-since'], nowMs)) {
    return 'precondition-failed';
  }
  // 13.1.2: weak comparison. If-Modified-Since counts only without it (13.1.3).
  if (ifNoneMatch !== undefined) {
    if (!matchesWeakly(ifNoneMatch, etag)) return 'proceed';
    return method === 'GET' || method === 'HEAD' ? 'not-modified' : 'precondition-failed';
  }
  const since = dateOf(headers['if-modified-since'], nowMs);
  if (since === undefined || lastModifiedMs === undefined) return 'proceed';
  return lastModifiedMs <= since && (method === 'GET' || method === 'HEAD') ? 'not-modified' : 'proceed';
}

/** 13.1.4: a field that is no date, or a resource without a modification date, makes no condition. */
function isAfter(lastModifiedMs: number | undefined, field: string | undefined, nowMs: number): boolean {
  const since = dateOf(field, nowMs);
  return since !== undefined && lastModifiedMs !== undefined && lastModifiedMs > since;
}

function dateOf(field: string | undefined, nowMs: number): number | undefined {
  return field === undefined ? undefined : parseHttpDate(field, nowMs);
}
