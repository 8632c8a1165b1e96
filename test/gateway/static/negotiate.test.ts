import { expect, test } from 'vitest';
import { acceptedCodings } from '../../../gateway/static/negotiate.ts';

test.each<[string | undefined, string]>([
  [undefined, 'identity'],
  ['', 'identity'],
  ['gzip, deflate, br, zstd', 'br zstd gzip identity'],
  ['gzip, deflate', 'gzip identity'],
  ['gzip;q=1.0, br;q=0.5', 'gzip br identity'],
  ['br;q=0.5, zstd;q=0.5', 'br zstd identity'],
  ['br;q=0, gzip', 'gzip identity'],
  ['*', 'br zstd gzip identity'],
  ['*;q=0', ''],
  ['gzip, *;q=0', 'gzip'],
  ['identity;q=0, gzip', 'gzip'],
  ['identity;q=0', ''],
  ['identity, gzip;q=0.5', 'identity gzip'],
  ['GZIP', 'gzip identity'],
  ['gzip;Q=0', 'identity'],
  ['x-gzip', 'gzip identity'],
  ['*;q=0.1, zstd', 'zstd br gzip identity'],
  ['compress', 'identity'],
])('Accept-Encoding: %s', (field, expected) => {
  expect(acceptedCodings(field).join(' ')).toBe(expected);
});
