import { FRESH, NOW, asking, fromCache, fromOrigin, group, maxAge, stored, storedAndAged } from './form.mjs';

/** Stale, and the origin hangs up: the answer is an error and not what was stored (RFC 9111 section 4.2.4). */
const neverStale = (directive) => [
  `stale-close-${directive}`,
  'must',
  `what ${directive} covers is not served stale when the origin hangs up`,
  storedAndAged([maxAge(2, directive)]),
  {
    disconnect: true,
    expected_status: 502,
    check_body: false,
    expected_response_headers_missing: ['Server-Request-Count'],
  },
];

const stale = group('stale', 'Serving stale (RFC 5861, RFC 9111 section 4.2.4)', [
  ...['must-revalidate', 'proxy-revalidate', 'no-cache', 's-maxage=2'].map(neverStale),
  [
    'stale-while-revalidate',
    'should',
    'within stale-while-revalidate',
    storedAndAged([maxAge(1, 'stale-while-revalidate=3000'), ['ETag', '"one"']]),
    fromCache(),
  ],
  [
    'stale-while-revalidate-window',
    'must',
    'what the refresh brought is what counts afterwards',
    storedAndAged([maxAge(1, 'stale-while-revalidate=4'), ['ETag', '"one"']]),
    storedAndAged(
      [
        ['Cache-Control', 'no-cache', false],
        ['ETag', '"two"', false],
      ],
      fromCache(),
    ),
    { expected_response_headers: [['Client-Request-Count', '3']] },
  ],
]);

const FAR = ['Expires', 2_000_000];
const older = (seconds) => fromCache({ expected_response_headers: [['Age', '>', seconds]] });
const keeps = (field) => fromCache({ expected_response_headers: [field] });

const times = group(
  'times',
  'Age and Date of what is stored (RFC 9111 section 5.1, RFC 9110 section 6.6.1)',
  [
    ['other-age-gen', 'must', 'Age says how long it has been stored', storedAndAged(FRESH), older(2)],
    [
      'other-age-update-max-age',
      'must',
      'and adds to the Age that it came with',
      storedAndAged([...FRESH, ['Age', '30']]),
      older(32),
    ],
    ['other-date-update', 'must', 'Date stays', storedAndAged(FRESH), keeps(NOW)],
    ['other-date-update-expires', 'must', 'Date stays with Expires', storedAndAged([FAR, NOW]), keeps(NOW)],
    ['other-date-update-expires-update', 'may', 'Expires stays', storedAndAged([FAR, NOW]), keeps(FAR)],
    [
      'other-age-delay',
      'may',
      'a miss has an Age when its answer took time',
      { response_headers: FRESH, pause_before: 4000, expected_response_headers: [['Age', '>', 0]] },
    ],
  ],
);

const unsafe = (method, more = {}) => ({
  request_method: method,
  request_body: 'change',
  setup: true,
  ...more,
});
const failing = { response_status: [500, 'Internal Server Error'] };

const invalidation = group(
  'invalidation',
  'Invalidation (RFC 9111 section 4.4)',
  ['POST', 'PUT', 'DELETE', 'M-SEARCH'].flatMap((method) => [
    [
      `invalidate-${method}`,
      'must',
      `${method} makes what is stored invalid`,
      storedAndAged(FRESH),
      unsafe(method),
      fromOrigin(),
    ],
    [
      `invalidate-${method}-failed`,
      'should',
      `${method} that failed does not`,
      storedAndAged(FRESH),
      unsafe(method, failing),
      fromCache(),
    ],
  ]),
);

// RFC 9110 section 15.2; what the client saw of them is told in a field of its own (client.mjs).
const HINT = { Link: '</a.css>; rel=preload' };
const seen = (...interim) => ({ expected_response_headers: [['Interim-Responses', interim.join(', ')]] });
const HINT_SEEN = seen('103 link=</a.css>; rel=preload');
const NOTHING_SEEN = { expected_response_headers_missing: ['Interim-Responses'] };
const withInterim = (interim, more) => ({ response_headers: FRESH, interim, pause_after: true, ...more });

const interims = group('interim', 'Interim responses', [
  [
    'interim-102',
    'should',
    '102 passes, and the final response is stored',
    withInterim([[102]], seen('102')),
    fromCache(),
  ],
  [
    'interim-103',
    'should',
    '103 passes with its fields, and the final response is stored',
    withInterim([[103, HINT]], HINT_SEEN),
    fromCache(),
  ],
  [
    'interim-not-cached',
    'must',
    'it is not stored',
    withInterim([[103, HINT]], HINT_SEEN),
    fromCache(NOTHING_SEEN),
  ],
  [
    'interim-no-header-reuse',
    'should',
    'nor are its fields',
    withInterim([[103, HINT]], { ...HINT_SEEN, expected_response_headers_missing: ['Link'] }),
    fromCache({ expected_response_headers_missing: ['Link'] }),
  ],
]);

const HALF = '56789';
const half = (...headers) =>
  stored([...FRESH, ['Content-Range', 'bytes 5-9/10'], ...headers], {
    ...asking(['Range', 'bytes=-5']),
    response_status: [206, 'Partial Content'],
    response_body: HALF,
  });
const range = (spec, text) =>
  fromCache({ ...asking(['Range', `bytes=${spec}`]), expected_status: 206, expected_response_text: text });
const partOf = (id, spec, text) => [
  `beyond-partial-${id}`,
  'should',
  `a part that is what it says answers ${spec}`,
  half(),
  range(spec, text),
];

/** What the suite does not ask, or asks of responses that contradict themselves. */
const beyond = group('beyond', 'Beyond the suite', [
  [
    'beyond-age-huge',
    'must',
    'an age of more than any integer holds is old',
    stored([NOW, maxAge(3000), ['Age', '99999999999999999999', false]]),
    fromOrigin(),
  ],
  [
    'beyond-cdn-fallback',
    'should',
    'where a targeted field does not parse, Cache-Control counts',
    stored([['CDN-Cache-Control', 'max-age =1', false], maxAge(3000)]),
    fromCache(),
  ],
  partOf('same', '-5', HALF),
  partOf('within', '6-8', '678'),
  partOf('open', '6-', '6789'),
  partOf('suffix', '-1', '9'),
  [
    'beyond-partial-complete',
    'should',
    'what lacks is asked for, if it is still of the same (RFC 9111 section 3.4)',
    half(['ETag', '"one"']),
    {
      response_status: [206, 'Partial Content'],
      response_headers: [...FRESH, ['ETag', '"one"'], ['Content-Range', 'bytes 0-4/10', false]],
      response_body: '01234',
      expected_status: 200,
      expected_response_text: `01234${HALF}`,
      expected_request_headers: [
        ['Range', 'bytes=0-4'],
        ['If-Range', '"one"'],
      ],
    },
    fromCache({ expected_response_text: `01234${HALF}` }),
  ],
]);

export const serving = [stale, times, invalidation, interims];
export const beyondSuite = [beyond];
