import { expect, test } from 'vitest';
import { formatHttpDate, parseHttpDate } from '../../../gateway/static/http-date.ts';

const NOW = Date.UTC(2026, 5, 1);
const SAMPLE = Date.UTC(1994, 10, 6, 8, 49, 37);

test.each<[string, number | undefined]>([
  ['Sun, 06 Nov 1994 08:49:37 GMT', SAMPLE],
  ['Sunday, 06-Nov-94 08:49:37 GMT', SAMPLE],
  ['Sun Nov  6 08:49:37 1994', SAMPLE],
  ['Sunday, 06-Nov-76 08:49:37 GMT', Date.UTC(2076, 10, 6, 8, 49, 37)],
  ['Sunday, 06-Nov-77 08:49:37 GMT', Date.UTC(1977, 10, 6, 8, 49, 37)],
  ['Sat, 31 Dec 2016 23:59:60 GMT', Date.UTC(2017, 0, 1)],
  ['Sun, 31 Feb 2024 08:49:37 GMT', undefined],
  ['Sun, 06 Nov 1994 24:00:00 GMT', undefined],
  ['Sun, 6 Nov 1994 08:49:37 GMT', undefined],
  ['Sun, 06 Nov 1994 08:49:37 UTC', undefined],
  ['Sun, 06 Nov 1994 08:49:37', undefined],
  ['sun, 06 nov 1994 08:49:37 gmt', undefined],
  ['1994-11-06T08:49:37Z', undefined],
  ['784111777', undefined],
  ['', undefined],
])('%s', (text, expected) => {
  expect(parseHttpDate(text, NOW)).toBe(expected);
});

test('what is written is read again', () => {
  expect(formatHttpDate(SAMPLE)).toBe('Sun, 06 Nov 1994 08:49:37 GMT');
});
