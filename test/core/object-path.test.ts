import { describe, expect, test } from 'vitest';
import { isSafeId, whyUnsafePath } from '../../core/object-path.ts';

describe('whyUnsafePath', () => {
  test.each([
    'index.html',
    'assets/app.abc123.js',
    'with space/größe/漢字.txt',
    'percent%2e%2e/is%2fliteral',
    '...',
    '.well-known/x',
    'a/..b/c..',
    '~user',
  ])('%j may name an object', (path) => {
    expect(whyUnsafePath(path)).toBeUndefined();
  });

  test.each([
    ['', 'is empty'],
    ['/', 'begins with a slash'],
    ['/etc/passwd', 'begins with a slash'],
    ['..', 'contains a dot segment'],
    ['../x', 'contains a dot segment'],
    ['a/../b', 'contains a dot segment'],
    ['a/..', 'contains a dot segment'],
    ['./a', 'contains a dot segment'],
    ['a/.', 'contains a dot segment'],
    ['a//b', 'contains an empty segment'],
    ['a/', 'contains an empty segment'],
    ['a\\b', 'contains a backslash'],
    ['..\\x', 'contains a backslash'],
    ['a\0', 'contains a control character'],
    ['a\nb', 'contains a control character'],
    ['a\u007f', 'contains a control character'],
    ['a\ud800', 'is not well-formed Unicode'],
  ])('%j may not: it %s', (path, why) => {
    expect(whyUnsafePath(path)).toBe(why);
  });
});

test('a path has at most 1024 bytes of UTF-8, as S3 counts', () => {
  expect(whyUnsafePath('x'.repeat(1024))).toBeUndefined();
  expect(whyUnsafePath('x'.repeat(1025))).toBe('is longer than 1024 bytes');
  expect(whyUnsafePath('漢'.repeat(342))).toBe('is longer than 1024 bytes');
});

describe('isSafeId', () => {
  test.each(['a', 'abcdefghij', '0194f6d2-3c5e-7000-8000-000000000000', 'A_b-C', 'x'.repeat(128)])(
    '%j is one',
    (id) => {
      expect(isSafeId(id)).toBe(true);
    },
  );

  test.each(['', '.', '..', '-a', '_a', 'a/b', 'a\\b', 'a.b', 'a b', 'a\n', 'ä', 'x'.repeat(129), 'a\0'])(
    '%j is none',
    (id) => {
      expect(isSafeId(id)).toBe(false);
    },
  );
});
