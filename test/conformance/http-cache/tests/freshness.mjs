import { NOW, expired, fromCache, fromOrigin, group, maxAge, storedAndAged } from './form.mjs';

/** One response, a pause, and whether the second request gets it again. */
const reused = (id, kind, name, headers) => [id, kind, name, storedAndAged(headers), fromCache()];
const notReused = (id, kind, name, headers) => [id, kind, name, storedAndAged(headers), fromOrigin()];

const lifetime = group('freshness', 'Lifetimes (RFC 9111 section 4.2)', [
  [
    'freshness-max-age-stale',
    'must',
    'what has outlived its max-age is asked for again',
    expired(),
    fromOrigin(),
  ],
]);

// RFC 9111 section 5.1: the first member counts, and what is no number of seconds is ignored.
const withAge = (lines, maxAgeS = 3000) => [
  NOW,
  maxAge(maxAgeS),
  ...lines.map((line) => ['Age', line, false]),
];
const young = (id, name, lines, maxAgeS) => reused(`age-parse-${id}`, 'must', name, withAge(lines, maxAgeS));
const old = (id, name, lines) => notReused(`age-parse-${id}`, 'must', name, withAge(lines));

const age = group('age', 'Age (RFC 9111 section 5.1)', [
  young('nonnumeric', 'a word is ignored', ['old']),
  young('negative', 'a negative number is ignored', ['-6000']),
  young('float', 'a decimal point makes it no age', ['6000.0']),
  old('large-minus-one', '2^31 - 1 seconds are old', ['2147483647']),
  old('large', '2^31 seconds are old', ['2147483648']),
  old('larger', 'and so is one more', ['2147483649']),
  old('suffix', 'of two members the first counts: an old one', ['6000, 0']),
  young('prefix', 'of two members the first counts: a young one', ['0, 6000']),
  young('prefix-twoline', 'of two lines the first counts: a young one', ['0', '6000']),
  young('dup-0', 'zero twice is zero', ['0, 0']),
  young('dup-0-twoline', 'zero on two lines is zero', ['0', '0']),
  young('dup-old', 'an age that is said twice is not added up', ['3000', '3000'], 9000),
]);

// RFC 9111 section 5.3, RFC 9110 section 5.6.7: one form is sent, three are read, and anything else means "already expired".
const expiring = (...values) => [...values.map((value) => ['Expires', value, false]), NOW];
const dated = (id, name, value) => reused(`freshness-expires-${id}`, 'should', name, expiring(value));
const undated = (id, name, ...values) =>
  notReused(`freshness-expires-invalid-${id}`, 'must', name, expiring(...values));

const expires = group('expires', 'Dates in Expires (RFC 9110 section 5.6.7)', [
  dated('32bit', 'the last second but one of 32 bits', 'Tue, 19 Jan 2038 03:14:07 GMT'),
  dated('far-future', 'a date centuries ahead', 'Sun, 21 Nov 2286 04:46:39 GMT'),
  undated('utc', 'UTC is not GMT', 'Thu, 18 Aug 2050 02:01:18 UTC'),
  undated('aest', 'nor is any other zone', 'Thu, 18 Aug 2050 02:01:18 AEST'),
  undated('2-digit-year', 'a year of two digits', 'Thu, 18 Aug 50 02:01:18 GMT'),
  undated('no-comma', 'no comma after the day', 'Thu 18 Aug 2050 02:01:18 GMT'),
  undated('multiple-spaces', 'two spaces', 'Thu, 18  Aug  2050 02:01:18 GMT'),
  undated('date-dashes', 'dashes', 'Thu, 18-Aug-2050 02:01:18 GMT'),
  undated('time-periods', 'periods in the time', 'Thu, 18 Aug 2050 02.01.18 GMT'),
  undated('1-digit-hour', 'an hour of one digit', 'Thu, 18 Aug 2050 2:01:18 GMT'),
  undated(
    'multiple-lines',
    'two lines that are no dates',
    'Thu, 18 Aug 2050 2:01:18 GMT',
    'Thu, 18 Aug 2050 2:01:19 GMT',
  ),
]);

export const freshness = [lifetime, age, expires];
