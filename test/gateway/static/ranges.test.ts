import { describe, expect, test } from 'vitest';
import { ifRangeHolds, parseRange, resolveRange } from '../../../gateway/static/ranges.ts';

const SIZE = 1000;
const resolve = (field: string, size: number = SIZE): unknown => {
  const spec = parseRange(field);
  return spec === undefined ? 'ignored' : resolveRange(spec, size);
};

describe('the range of a Range header', () => {
  test.each([
    ['bytes=0-0', { kind: 'part', start: 0, end: 0 }],
    ['bytes=0-499', { kind: 'part', start: 0, end: 499 }],
    ['bytes=999-', { kind: 'part', start: 999, end: 999 }],
    ['bytes=500-', { kind: 'part', start: 500, end: 999 }],
    ['bytes=500-99999999999999999999', { kind: 'part', start: 500, end: 999 }],
    ['bytes=-1', { kind: 'part', start: 999, end: 999 }],
    ['bytes=-5000', { kind: 'part', start: 0, end: 999 }],
    ['Bytes=1-2', { kind: 'part', start: 1, end: 2 }],
    ['bytes=,1-2', { kind: 'part', start: 1, end: 2 }],
    ['bytes=1-2 ,', { kind: 'part', start: 1, end: 2 }],
    ['bytes=1000-', { kind: 'unsatisfiable' }],
    ['bytes=99999999999999999999-', { kind: 'unsatisfiable' }],
    ['bytes=-0', { kind: 'unsatisfiable' }],
    ['bytes=2-1', 'ignored'],
    ['bytes=1-2,4-5', 'ignored'],
    ['bytes=', 'ignored'],
    ['bytes=a-b', 'ignored'],
    ['bytes=-', 'ignored'],
    ['bytes= 1-2', 'ignored'],
    ['bytes=1 -2', 'ignored'],
    ['bytes=+1-2', 'ignored'],
    ['bytes 1-2', 'ignored'],
    ['items=1-2', 'ignored'],
    ['', 'ignored'],
  ])('%s', (field, expected) => {
    expect(resolve(field)).toEqual(expected);
  });

  test('nothing of an empty file can be named in Content-Range', () => {
    expect(resolve('bytes=-5', 0)).toEqual({ kind: 'whole' });
    expect(resolve('bytes=0-', 0)).toEqual({ kind: 'unsatisfiable' });
  });
});

test.each([
  [undefined, true],
  ['"tag"', true],
  ['"other"', false],
  ['W/"tag"', false],
  ['tag', false],
  ['Tue, 14 Nov 2023 22:13:20 GMT', true],
  ['Tuesday, 14-Nov-23 22:13:20 GMT', true],
  ['Tue Nov 14 22:13:20 2023', true],
  ['Tue, 14 Nov 2023 22:13:21 GMT', false],
  ['Tue, 14 Nov 2023 22:13:19 GMT', false],
])('If-Range %s', (field, expected) => {
  const validators = { etag: '"tag"', lastModifiedMs: 1_700_000_000_000 };
  expect(ifRangeHolds(field, validators, 1_700_000_100_000)).toBe(expected);
});
