// The suite as it is today (https://github.com/http-tests/cache-tests): what of its release still holds, and in place of what it
// lacks, or judges by what RFC 9111 and RFC 9213 have replaced, tests of our own in its form and under its names.
import { suite } from './suite.mjs';
import { freshness } from './tests/freshness.mjs';
import { selecting } from './tests/selecting.mjs';
import { beyondSuite, serving } from './tests/serving.mjs';
import { storing } from './tests/storing.mjs';
import { targeted } from './tests/targeted.mjs';
import { validating } from './tests/validating.mjs';

/** Released, and not part of the suite any more. */
const DROPPED = new Set([
  'freshness-max-age-ignore-quoted-all',
  'freshness-max-age-ignore-quoted-all-rev',
  'freshness-max-age-multiple-line',
  'freshness-max-age-multiple-directive',
]);

/** Released as one kind, and today another. */
const REQUIRED = ['partial-use-stored-headers'];
const OPTIMAL = ['rfc850', 'ansi-c', 'wrong-case-weekday', 'wrong-case-month', 'wrong-case-tz'].map(
  (id) => `freshness-expires-${id}`,
);
const UPDATED_OR_NOT = [
  'Clear-Site-Data',
  'Content-Encoding',
  'Content-Location',
  'Content-MD5',
  'Content-Range',
  'Content-Security-Policy',
  'Content-Type',
  'ETag',
  'Expires',
  'Public-Key-Pins',
  'Set-Cookie',
  'Set-Cookie2',
  'X-Frame-Options',
  'X-XSS-Protection',
].map((name) => `304-etag-update-response-${name}`);
const NAMED_ADDRESSES = ['POST', 'PUT', 'DELETE', 'M-SEARCH'].flatMap((method) => [
  `invalidate-${method}-location`,
  `invalidate-${method}-cl`,
]);
const CHECKS = ['age-parse-parameter', 'age-parse-numeric-parameter', ...UPDATED_OR_NOT, ...NAMED_ADDRESSES];

const KINDS = new Map([
  ...REQUIRED.map((id) => [id, 'required']),
  ...OPTIMAL.map((id) => [id, 'optimal']),
  ...CHECKS.map((id) => [id, 'check']),
]);

const own = [freshness, targeted, storing, selecting, validating, serving].flat();

/** Groups of tests; `isCurrent` are those of today's suite. */
export async function currentSuite() {
  const { default: released } = await suite('tests/index.mjs');
  const replaced = new Set(own.flatMap(({ tests }) => tests.map(({ id }) => id)));
  const kept = released.map((group) => ({
    ...group,
    tests: group.tests
      .filter(({ id, browser_only: isForBrowsers }) => isForBrowsers !== true && !replaced.has(id))
      .map((test) => ({ ...test, kind: KINDS.get(test.id) ?? test.kind ?? 'required' })),
  }));
  return [
    ...kept.map((group) => mark(group, ({ id }) => !DROPPED.has(id), 'released')),
    ...own.map((group) => mark(group, () => true, 'own')),
    ...beyondSuite.map((group) => mark(group, () => false, 'own')),
  ];
}

function mark(group, isCurrent, source) {
  return {
    ...group,
    tests: group.tests.map((test) => ({ ...test, isCurrent: isCurrent(test), source })),
  };
}
