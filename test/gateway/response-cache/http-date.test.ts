import { expect, test } from 'vitest';
import { parseHttpDate } from '../../../gateway/response-cache/http-date.ts';

const NOW = Date.UTC(2026, 0, 15);

test.each([
  ['Sun, 06 Nov 1994 08:49:37 GMT', Date.UTC(1994, 10, 6, 8, 49, 37)],
  ['Sunday, 06-Nov-94 08:49:37 GMT', Date.UTC(1994, 10, 6, 8, 49, 37)],
  ['Sun Nov  6 08:49:37 1994', Date.UTC(1994, 10, 6, 8, 49, 37)],
  ['Sun Nov 16 08:49:37 1994', Date.UTC(1994, 10, 16, 8, 49, 37)],
  // RFC 9111 section 4.2: case does not matter to a cache.
  ['SUN, 06 nov 1994 08:49:37 gMT', Date.UTC(1994, 10, 6, 8, 49, 37)],
  ['  Sun, 06 Nov 1994 08:49:37 GMT ', Date.UTC(1994, 10, 6, 8, 49, 37)],
  // Two digits of a year: at most 50 years ahead.
  ['Tuesday, 01-Jan-75 00:00:00 GMT', Date.UTC(2075, 0, 1)],
  ['Saturday, 01-Jan-77 00:00:00 GMT', Date.UTC(1977, 0, 1)],
  ['Sun, 06 Nov 1994 08:49:60 GMT', Date.UTC(1994, 10, 6, 8, 49, 59)],
])('%s is a date', (text, expected) => {
  expect(parseHttpDate(text, NOW)).toBe(expected);
});

test.each([
  '0',
  '',
  'foo',
  '784111777',
  'Sun, 06 Nov 1994 08:49:37 UTC',
  'Sun, 06 Nov 1994 08:49:37 +0000',
  'Sun, 06 Nov 1994 08:49:37',
  'Sun, 6 Nov 1994 08:49:37 GMT',
  'Sun, 06 Nov 94 08:49:37 GMT',
  'Sun, 06  Nov  1994 08:49:37 GMT',
  'Sun 06 Nov 1994 08:49:37 GMT',
  'Sun, 06-Nov-1994 08:49:37 GMT',
  'Sun, 06 Nov 1994 8:49:37 GMT',
  'Sun, 06 Nov 1994 08.49.37 GMT',
  'Sun, 31 Feb 1994 08:49:37 GMT',
  'Sun, 06 Nov 1994 24:49:37 GMT',
  'Sun, 06 Nov 1994 08:60:37 GMT',
  '1994-11-06T08:49:37Z',
])('%s is none', (text) => {
  expect(parseHttpDate(text, NOW)).toBeUndefined();
});
