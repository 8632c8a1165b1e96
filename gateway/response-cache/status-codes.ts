// RFC 9110 section 15.1, less 206: incomplete responses are not stored.
const HEURISTICALLY_CACHEABLE: ReadonlySet<number> = new Set([
  200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501,
]);

/** Final status codes of the IANA registry whose caching this cache implements; 206 and 304 have ways of their own. */
const UNDERSTOOD: ReadonlySet<number> = new Set([
  200, 201, 202, 203, 204, 205, 207, 208, 226, 300, 301, 302, 303, 305, 307, 308, 400, 401, 402, 403, 404,
  405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 425, 426, 428, 429,
  431, 451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
]);

/**
 * Answers to the Range or the conditions of one request, which are in no key: others who ask for the address must not get them, whatever
 * lifetime they name.
 */
const OF_REQUEST: ReadonlySet<number> = new Set([206, 304, 416]);

/** RFC 5861 section 4: what `stale-if-error` covers, beside calls that got no answer. */
const ERRORS: ReadonlySet<number> = new Set([500, 502, 503, 504]);

/** Of the failures of a client: those that say something of the moment, and nothing of what was asked for. */
const OF_MOMENT: ReadonlySet<number> = new Set([408, 425, 429]);

export function isHeuristicallyCacheable(status: number): boolean {
  return HEURISTICALLY_CACHEABLE.has(status);
}

/** Whether `must-understand` lets the response be stored (RFC 9111 section 5.2.2.3). */
export function isUnderstood(status: number): boolean {
  return UNDERSTOOD.has(status);
}

export function isOfRequest(status: number): boolean {
  return OF_REQUEST.has(status);
}

/** Whether a status says nothing of what is stored (RFC 9111 section 4.3.3): no error of the function does. */
export function isOfMoment(status: number): boolean {
  return status >= 500 || OF_MOMENT.has(status);
}

export function isErrorStatus(status: number): boolean {
  return ERRORS.has(status);
}
