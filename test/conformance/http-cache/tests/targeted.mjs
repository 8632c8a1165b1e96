import { NOW, fromCache, fromOrigin, group, storedAndAged } from './form.mjs';

// RFC 9213: a targeted field is a structured field, and governs alone.
const forCdn = (value) => ['CDN-Cache-Control', value, false];
const forAll = (value) => ['Cache-Control', value];
const expires = (seconds) => [['Expires', seconds], NOW];
const unreadable = [['Expires', '0', false], NOW];

const reused = (id, kind, name, ...headers) => [`cdn-${id}`, kind, name, storedAndAged(headers), fromCache()];
const notReused = (id, kind, name, ...headers) => [
  `cdn-${id}`,
  kind,
  name,
  storedAndAged(headers),
  fromOrigin(),
];
/** What of a response that is fresh for the edge alone still shows when it is served again. */
const shows = (id, name, headers, expected) => [
  `cdn-${id}`,
  'may',
  name,
  storedAndAged([forAll('max-age=1'), forCdn('max-age=9000'), ...headers, NOW]),
  { expected_response_headers: expected },
];

export const targeted = [
  group('targeted', 'Targeted cache control (RFC 9213)', [
    reused('max-age', 'should', 'its max-age is a lifetime', forCdn('max-age=3000')),
    reused('max-age-max', 'should', 'a lifetime of 2^31', forCdn('max-age=2147483648')),
    reused('max-age-max-plus', 'should', 'a larger one', forCdn('max-age=99999999999')),
    notReused('max-age-age', 'must', 'Age counts against it', NOW, forCdn('max-age=3000'), ['Age', '6000']),
    notReused('max-age-0', 'must', 'a lifetime of zero', forCdn('max-age=0')),
    reused(
      'max-age-extension',
      'should',
      'an unknown member does not matter',
      forCdn('nowhere, max-age=3000'),
    ),
    reused(
      'max-age-expires',
      'should',
      'it beats an Expires that has passed',
      forCdn('max-age=3000'),
      ...expires(-9000),
    ),
    reused(
      'max-age-cc-max-age-invalid-expires',
      'should',
      'and one that is no date',
      forCdn('max-age=3000'),
      ...unreadable,
    ),
    notReused(
      'max-age-0-expires',
      'must',
      'zero beats an Expires to come',
      forCdn('max-age=0'),
      ...expires(9000),
    ),
    reused(
      'max-age-short-cc-max-age',
      'should',
      'it is longer than Cache-Control says',
      forAll('max-age=1'),
      forCdn('max-age=3000'),
    ),
    notReused(
      'max-age-long-cc-max-age',
      'must',
      'it is shorter than Cache-Control says',
      forAll('max-age=3000'),
      forCdn('max-age=1'),
    ),
    notReused('private', 'must', 'private', forCdn('private'), forAll('max-age=9000'), ...expires(9000)),
    notReused('no-cache', 'must', 'no-cache', forCdn('no-cache'), forAll('max-age=9000'), ...expires(9000)),
    notReused(
      'no-store-cc-fresh',
      'must',
      'no-store',
      forAll('max-age=9000'),
      forCdn('no-store'),
      ...expires(9000),
    ),
    reused(
      'fresh-cc-nostore',
      'must',
      'no-store of Cache-Control is for others',
      forAll('no-store'),
      forCdn('max-age=9000'),
    ),
    notReused(
      'cc-invalid-sh-type-unknown',
      'must',
      'one that does not parse is not there',
      forCdn('max-age=9000, &&&&&'),
      forAll('no-store'),
    ),
    notReused(
      'cc-invalid-sh-type-wrong',
      'must',
      'nor is one with a member of the wrong type',
      forCdn('max-age="9000"'),
      forAll('no-store'),
    ),
    notReused(
      'max-age-space-before-equals',
      'may',
      'a space before = and it does not parse',
      forAll('max-age=1'),
      forCdn('max-age =300'),
    ),
    notReused(
      'max-age-space-after-equals',
      'may',
      'a space after = and it does not parse',
      forAll('max-age=1'),
      forCdn('max-age= 300'),
    ),
    reused(
      'max-age-case-insensitive',
      'may',
      'names in capitals, which keys of structured fields never are',
      forCdn('MaX-aGe=3000'),
    ),
    [
      'cdn-remove-header',
      'may',
      'the field itself reaches the client',
      {
        response_headers: [forAll('max-age=9000'), forCdn('foo'), NOW],
        expected_response_headers: [['CDN-Cache-Control', 'foo']],
      },
    ],
    shows('remove-age-exceed', 'Age is sent with what is fresh for the edge alone', [], ['Age']),
    shows('date-update-exceed', 'its Date stays', [], [NOW]),
    shows('expires-update-exceed', 'its Expires stays', [['Expires', 1]], [['Expires', 1]]),
  ]),
];
