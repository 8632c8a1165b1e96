// In the suite's own form: rules that are younger than its last release, or that it judges by what preceded them.

const FRESH = 'cached';
const NOT_REUSED = 'not_cached';

/** One response, a pause, and whether the second request gets it again. */
function reuse(id, name, { headers, expected, kind = 'required', status, requestHeaders }) {
  const first = { response_headers: headers, setup: true, pause_after: true };
  const second = { expected_type: expected };
  if (status !== undefined) {
    first.response_status = status;
    if (expected === FRESH) second.response_status = status;
  }
  if (requestHeaders !== undefined) {
    first.request_headers = structuredClone(requestHeaders);
    second.request_headers = structuredClone(requestHeaders);
  }
  return { id, name, kind, requests: [first, second] };
}

const aged = (id, name, lines, [expected, maxAgeS = 3600]) =>
  reuse(`age-${id}`, name, {
    headers: [
      ['Date', 0],
      ['Cache-Control', `max-age=${maxAgeS}`],
      ...lines.map((line) => ['Age', line, false]),
    ],
    expected,
  });

// RFC 9111 section 5.1: of several members the first counts, and what is no number of seconds is ignored.
const age = {
  id: 'rfc9111-age',
  name: 'Age as RFC 9111 has it',
  tests: [
    aged('ignored-word', 'an Age that is a word is ignored', ['abc'], [FRESH]),
    aged('ignored-negative', 'a negative Age is ignored', ['-7200'], [FRESH]),
    aged('ignored-decimal', 'an Age with a decimal point is ignored', ['7200.0'], [FRESH]),
    aged('ignored-parameter', 'an Age with a parameter is ignored', ['7200;foo=bar'], [FRESH]),
    aged('first-member-old', 'the first member counts: an old one', ['7200, 0'], [NOT_REUSED]),
    aged('first-member-new', 'the first member counts: a new one', ['0, 7200'], [FRESH]),
    aged('first-line-old', 'the first line counts: an old one', ['7200', '0'], [NOT_REUSED]),
    aged('first-line-new', 'the first line counts: a new one', ['0', '7200'], [FRESH]),
    aged('twice-zero', 'the same zero twice', ['0, 0'], [FRESH]),
    aged('twice-old', 'the same age twice', ['3600', '3600'], [FRESH, 10_000]),
    aged('large', 'an age of 2^31 - 1 is old', ['2147483647'], [NOT_REUSED]),
    aged('larger', 'an age of 2^31 is old', ['2147483648'], [NOT_REUSED]),
    aged('largest', 'an age of more than any integer holds is old', ['99999999999999999999'], [NOT_REUSED]),
  ],
};

/** In brackets: what the test shows, the targeted field, other headers. */
const forCdn = (id, [name, field, ...others], expected, kind = 'required') =>
  reuse(`cdn-${id}`, name, { headers: [['CDN-Cache-Control', field, false], ...others], expected, kind });

const expires = (seconds) => [
  ['Expires', seconds],
  ['Date', 0],
];
const cacheControl = (value) => ['Cache-Control', value];

// RFC 9213: a targeted field is a structured field, and governs alone.
const targeted = {
  id: 'rfc9213',
  name: 'Targeted cache control',
  tests: [
    forCdn('lifetime', ['its max-age is a lifetime', 'max-age=3600'], FRESH, 'optimal'),
    forCdn('lifetime-2-31', ['a lifetime of 2^31', 'max-age=2147483648'], FRESH, 'optimal'),
    forCdn('lifetime-large', ['a larger lifetime', 'max-age=99999999999'], FRESH, 'optimal'),
    forCdn('unknown', ['an unknown member does not matter', 'foobar, max-age=3600'], FRESH, 'optimal'),
    forCdn('age', ['Age counts against it', 'max-age=3600', ['Date', 0], ['Age', '7200']], NOT_REUSED),
    forCdn('zero', ['a lifetime of zero', 'max-age=0'], NOT_REUSED),
    forCdn('zero-expires', ['a zero before Expires', 'max-age=0', ...expires(10_000)], NOT_REUSED),
    forCdn('past-expires', ['before a past Expires', 'max-age=3600', ...expires(-10_000)], FRESH, 'optimal'),
    forCdn(
      'no-date',
      ['before an Expires that is no date', 'max-age=3600', ['Expires', '0', false]],
      FRESH,
      'optimal',
    ),
    forCdn(
      'longer',
      ['longer than Cache-Control', 'max-age=3600', cacheControl('max-age=1')],
      FRESH,
      'optimal',
    ),
    forCdn('shorter', ['shorter than Cache-Control', 'max-age=1', cacheControl('max-age=3600')], NOT_REUSED),
    forCdn('private', ['private', 'private', cacheControl('max-age=10000')], NOT_REUSED),
    forCdn('no-cache', ['no-cache', 'no-cache', cacheControl('max-age=10000')], NOT_REUSED),
    forCdn('no-store', ['no-store', 'no-store', cacheControl('max-age=10000')], NOT_REUSED),
    forCdn('over-no-store', ['it lifts no-store', 'max-age=10000', cacheControl('no-store')], FRESH),
    forCdn(
      'broken',
      ['one that does not parse', 'max-age=10000, &&&&&', cacheControl('no-store')],
      NOT_REUSED,
    ),
    forCdn(
      'wrong-type',
      ['a member of the wrong type', 'max-age="10000"', cacheControl('no-store')],
      NOT_REUSED,
    ),
    forCdn(
      'fallback',
      ['unparsed, Cache-Control counts', 'max-age =1', cacheControl('max-age=3600')],
      FRESH,
      'optimal',
    ),
  ],
};

/** Stale, and the origin hangs up: the answer must be an error and not what was stored. */
const neverStale = (directive) => ({
  id: `cut-off-${directive.replace('=', '-')}`,
  name: `what ${directive} covers is not served stale when the origin hangs up`,
  requests: [
    { response_headers: [['Cache-Control', `max-age=2, ${directive}`]], setup: true, pause_after: true },
    {
      disconnect: true,
      expected_status: 502,
      check_body: false,
      expected_response_headers_missing: ['server-request-count'],
    },
  ],
});

const stale = {
  id: 'rfc9111-stale',
  name: 'Serving stale responses',
  tests: [
    ...['must-revalidate', 'proxy-revalidate', 'no-cache', 's-maxage=2'].map(neverStale),
    {
      id: 'swr-within',
      kind: 'optimal',
      name: 'stale-while-revalidate is served stale (RFC 5861 section 3)',
      requests: [
        {
          setup: true,
          pause_after: true,
          response_headers: [
            ['Cache-Control', 'max-age=1, stale-while-revalidate=3600'],
            ['ETag', '"abc"'],
          ],
        },
        { expected_type: FRESH },
      ],
    },
    {
      id: 'swr-refreshed',
      name: 'what the refresh brought is what counts afterwards',
      requests: [
        {
          setup: true,
          pause_after: true,
          response_headers: [
            ['Cache-Control', 'max-age=1, stale-while-revalidate=4'],
            ['ETag', '"abc"'],
          ],
        },
        {
          setup: true,
          pause_after: true,
          expected_type: FRESH,
          response_headers: [
            ['Cache-Control', 'no-cache', false],
            ['ETag', '"def"', false],
          ],
        },
        { expected_response_headers: [['client-request-count', '3']] },
      ],
    },
  ],
};

// RFC 9111 section 5.2.2.3.
const understood = {
  id: 'rfc9111-must-understand',
  name: 'must-understand',
  tests: [
    reuse('understand-599', 'no-store holds for a status that nobody knows', {
      status: [599, 'Whatever'],
      headers: [['Cache-Control', 'max-age=3600, no-store, must-understand']],
      expected: NOT_REUSED,
    }),
    reuse('understand-200', 'no-store is lifted for a status that is known', {
      headers: [['Cache-Control', 'max-age=3600, no-store, must-understand']],
      expected: FRESH,
      kind: 'optimal',
    }),
  ],
};

export const ownTests = [age, targeted, stale, understood];
