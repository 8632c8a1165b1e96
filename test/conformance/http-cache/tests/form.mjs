// Tests in the suite's own form: what is asked, what the origin answers, what has to come of it.

/** Made at the time of the answer. */
export const NOW = ['Date', 0];
export const maxAge = (seconds, ...directives) => [
  'Cache-Control',
  [`max-age=${seconds}`, ...directives].join(', '),
];
/** Fresh for longer than any test runs. */
export const FRESH = [maxAge(90_000), NOW];

/** The origin answers; the test is about what comes after. */
export const stored = (headers, more = {}) => ({ response_headers: headers, setup: true, ...more });
/** The same, and three seconds pass: what had two is stale. */
export const storedAndAged = (headers, more = {}) => stored(headers, { pause_after: true, ...more });
/** Its two seconds have passed when the next request comes. */
export const expired = (...headers) => storedAndAged([maxAge(2), NOW, ['Kept', 'yes'], ...headers]);

export const fromCache = (more = {}) => ({ expected_type: 'cached', ...more });
export const fromOrigin = (more = {}) => ({ expected_type: 'not_cached', ...more });
export const asking = (...fields) => ({ request_headers: fields });

const KINDS = { must: 'required', should: 'optimal', may: 'check' };

/** `[id, 'must' | 'should' | 'may', sentence, ...requests]` as a test; no two share an object, since the suite writes into them. */
export function toTest([id, kind, name, ...requests]) {
  return { id, kind: KINDS[kind], name, requests: structuredClone(requests) };
}

export function group(id, name, rows) {
  return { id, name, tests: rows.map(toTest) };
}
