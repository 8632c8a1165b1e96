import { FRESH, NOW, asking, expired, fromCache, group, maxAge, storedAndAged } from './form.mjs';

// RFC 9111 section 4.3, RFC 9110 section 13.
const TAG = '"first"';
const tagged = (tag = TAG, ...more) => storedAndAged([...FRESH, ['ETag', tag], ...more]);
const notModified = (...fields) => fromCache({ ...asking(...fields), expected_status: 304 });
const matching = (id, name, tag, ifNoneMatch) => [
  `conditional-etag-${id}`,
  'should',
  name,
  tagged(tag),
  notModified(['If-None-Match', ifNoneMatch]),
];
const validates = (id, name, tag) => [
  `conditional-etag-${id}`,
  'should',
  name,
  expired(['ETag', tag]),
  { expected_type: 'etag_validated', expected_request_headers: [['If-None-Match', tag]] },
];

const tags = group('tags', 'If-None-Match', [
  matching('strong-respond', 'a strong tag', TAG, TAG),
  matching('weak-respond', 'a weak tag', 'W/"first"', 'W/"first"'),
  matching('strong-respond-multiple-first', 'the first of several', TAG, '"first", "second", "third"'),
  matching('strong-respond-multiple-second', 'the second', TAG, '"second", "first", "third"'),
  matching('strong-respond-multiple-last', 'the last', TAG, '"second", "third", "first"'),
  [
    'conditional-304-etag',
    'must',
    'a 304 repeats the tag (RFC 9110 section 15.4.5)',
    tagged(),
    { ...notModified(['If-None-Match', TAG]), expected_response_headers: [['ETag', TAG]] },
  ],
  [
    'conditional-etag-precedence',
    'must',
    'it beats If-Modified-Since (RFC 9110 section 13.2.2)',
    tagged(TAG, ['Last-Modified', -4000]),
    { ...notModified(['If-None-Match', TAG], ['If-Modified-Since', -1]), magic_ims: true },
  ],
  validates('strong-generate', 'what is stale is validated with its tag', TAG),
  validates('weak-generate-weak', 'a weak one too', 'W/"first"'),
]);

const MODIFIED = ['Last-Modified', -2500];
const since = (seconds, more) => ({
  ...asking(['If-Modified-Since', seconds]),
  magic_ims: true,
  expected_type: 'cached',
  expected_status: 304,
  ...more,
});
const modified = storedAndAged([...FRESH, MODIFIED]);

const dates = group('dates', 'If-Modified-Since', [
  ['conditional-lm-fresh', 'should', 'the date of the last change', modified, since(-2500)],
  ['conditional-lm-fresh-earlier', 'should', 'a later date', modified, since(-1500)],
  [
    'conditional-lm-stale',
    'should',
    'of what is stale, once it is validated',
    expired(MODIFIED),
    since(-2500, { expected_type: 'lm_validated' }),
  ],
  [
    'conditional-lm-fresh-no-lm',
    'should',
    'before what is stored was made, and when it changed is not known',
    storedAndAged(FRESH),
    since(-2500),
  ],
  [
    'conditional-lm-fresh-rfc850',
    'should',
    'in the form of RFC 850',
    modified,
    since(-2500, { rfc850date: ['if-modified-since'] }),
  ],
]);

// RFC 9111 section 3.2: a 304 has no body, so its length says nothing about the one that is stored.
const LENGTH = '36';
const ofLength = (length, ...more) => [NOW, ['Content-Length', length, false], maxAge(2), ...more];
const keeps = { expected_response_headers: [['Content-Length', LENGTH]], check_body: false };
const updates = group('updates', 'What a 304 updates', [
  [
    '304-etag-update-response-Content-Length',
    'must',
    'a 304 does not change the length',
    storedAndAged(ofLength(LENGTH, ['ETag', TAG]), { check_body: false }),
    { response_headers: ofLength('10', ['ETag', TAG]), expected_type: 'etag_validated', ...keeps },
    fromCache({ response_headers: ofLength(LENGTH), ...keeps }),
  ],
]);

export const validating = [tags, dates, updates];
