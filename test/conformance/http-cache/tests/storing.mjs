import { FRESH, NOW, asking, fromCache, fromOrigin, group, maxAge, stored, storedAndAged } from './form.mjs';

// RFC 9111 section 3, RFC 9110 section 15: a lifetime makes any final status storable; without a body of their own, none.
const STATUSES = [
  [200, 'OK'],
  [203, 'Non-Authoritative Information'],
  [204, 'No Content'],
  [299, 'Unheard Of'],
  [301, 'Moved Permanently'],
  [302, 'Found'],
  [303, 'See Other'],
  [307, 'Temporary Redirect'],
  [308, 'Permanent Redirect'],
  [400, 'Bad Request'],
  [404, 'Not Found'],
  [410, 'Gone'],
  [499, 'Unheard Of'],
  [500, 'Internal Server Error'],
  [502, 'Bad Gateway'],
  [503, 'Service Unavailable'],
  [504, 'Gateway Timeout'],
  [599, 'Unheard Of'],
];

const statuses = STATUSES.flatMap(([code, phrase]) => {
  const answer = {
    response_status: [code, phrase],
    response_body: code === 204 ? null : `a body of ${code}`,
  };
  const past = [['Expires', -4000], ['Last-Modified', -90_000], NOW];
  return [
    [
      `status-${code}-fresh`,
      'should',
      `a fresh ${code} is reused`,
      storedAndAged(FRESH, answer),
      fromCache(answer),
    ],
    [
      `status-${code}-stale`,
      'must',
      `a stale ${code} is not`,
      storedAndAged(past, answer),
      fromOrigin({ response_body: answer.response_body }),
    ],
  ];
});

/** RFC 9111 section 5.2.2.3: no-store stands, unless the status is one whose rules for caches are known. */
const understood = (kind, name, [code, phrase], second) => [
  `status-${code}-must-understand`,
  kind,
  name,
  stored([maxAge(3000, 'no-store', 'must-understand')], { response_status: [code, phrase] }),
  second,
];

/** RFC 9111 section 5.2.2.5 is about the response that carries it: it does not invalidate an older one. */
const olderStays = (id, directives) => [
  id,
  'must',
  `a fresh response stays, though a later one says ${directives}`,
  storedAndAged([...FRESH, ['Edition', '1']]),
  storedAndAged([['Cache-Control', directives], NOW, ['Edition', '2']]),
  fromCache({ expected_response_headers: [['Edition', '1']] }),
];

const credentials = {
  ...asking(['Authorization', 'Basic YTpi']),
  expected_request_headers: [['Authorization', 'Basic YTpi']],
};

export const storing = [
  group('status', 'Statuses', [
    ...statuses,
    understood('must', 'no-store holds for a status that nobody knows', [599, 'Unheard Of'], fromOrigin()),
    understood('should', 'no-store is lifted for a status that is known', [200, 'OK'], fromCache()),
  ]),
  group('storing', 'What is stored (RFC 9111 section 3)', [
    olderStays('cc-resp-no-store-old-new', 'no-store'),
    olderStays('cc-resp-no-store-old-max-age', 'no-store, max-age=0'),
    [
      'headers-omit-headers-listed-in-Connection',
      'must',
      'what Connection names is for this connection alone',
      storedAndAged([
        ...FRESH,
        ['Connection', 'One, Two', false],
        ['One', '1', false],
        ['Two', '2', false],
        ['Three', '3', false],
      ]),
      fromCache({
        expected_response_headers: [['Three', '3']],
        expected_response_headers_missing: ['One', 'Two'],
      }),
    ],
    [
      'other-authorization',
      'must',
      'what was said to credentials is not for others, however fresh',
      storedAndAged(FRESH, credentials),
      fromOrigin(),
    ],
    [
      'other-set-cookie',
      'should',
      'Set-Cookie does not keep a response from being reused',
      storedAndAged([...FRESH, ['Set-Cookie', 'seen=1']]),
      fromCache(),
    ],
    [
      'other-cookie',
      'should',
      'nor does Cookie in a request',
      storedAndAged(FRESH),
      fromCache(asking(['Cookie', 'seen=1'])),
    ],
    [
      'method-POST',
      'should',
      'a response to POST that names its own address answers a later GET (RFC 9110 section 9.3.3)',
      storedAndAged([maxAge(3000), ['Content-Location', ''], NOW], {
        ...asking(['Content-Type', 'text/plain']),
        request_method: 'POST',
        request_body: 'question',
        magic_locations: true,
      }),
      fromCache(),
    ],
  ]),
];
