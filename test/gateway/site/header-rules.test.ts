import { expect, test } from 'vitest';
import { matchPattern } from '../../../contracts/path-pattern.ts';
import { applyEdits, compileHeaderRules, type Field } from '../../../gateway/site/header-rules.ts';

const DEFAULTS: Field[] = [
  { name: 'Content-Type', value: 'text/html', isDefault: true },
  { name: 'Cache-Control', value: 'public', isDefault: true },
  { name: 'Vary', value: 'Accept-Encoding', isDefault: true },
];

function headers(rules: Parameters<typeof compileHeaderRules>[0], path: string): string[] {
  const edits = compileHeaderRules(rules).editsFor(path);
  return applyEdits(DEFAULTS, edits).map(({ name, value }) => `${name}: ${value}`);
}

test('every matching rule applies, in order; the same name appends', () => {
  const rules = [
    { for: '/*', set: [['X-A', '1'] as [string, string]] },
    { for: '/a/:id', set: [['x-a', '2'] as [string, string]] },
    { for: '/b', set: [['X-A', '3'] as [string, string]] },
  ];
  expect(headers(rules, '/a/1')).toContain('X-A: 1, 2');
  expect(headers(rules, '/b')).toContain('X-A: 1, 3');
  expect(headers(rules, '/a')).toContain('X-A: 1');
});

test('a default gives way, Vary grows, Content-Type stays one', () => {
  const set: [string, string][] = [
    ['Cache-Control', 'no-store'],
    ['Vary', 'Origin, accept-encoding'],
    ['Content-Type', 'text/plain'],
    ['content-type', 'text/css'],
    ['Set-Cookie', 'a=1'],
    ['Set-Cookie', 'b=2'],
  ];
  expect(headers([{ for: '/*', set }], '/')).toEqual([
    'content-type: text/css',
    'Cache-Control: no-store',
    'Vary: Accept-Encoding, Origin',
    'Set-Cookie: a=1',
    'Set-Cookie: b=2',
  ]);
});

test('a rule removes what came before it, defaults included', () => {
  const rules = [
    { for: '/*', set: [['X-A', '1'] as [string, string]] },
    { for: '/a', set: [], remove: ['x-a', 'Cache-Control', 'Vary', 'Content-Type'] },
  ];
  expect(headers(rules, '/a')).toEqual(['Content-Type: text/html', 'Vary: Accept-Encoding']);
});

test('names and values that may not be sent are left out', () => {
  const set: [string, string][] = [
    ['Content-Length', '1'],
    ['Transfer-Encoding', 'chunked'],
    ['Connection', 'close'],
    ['ETag', '"x"'],
    ['Bad Name', 'x'],
    ['X-Bad', 'a\r\nX-Injected: 1'],
    ['X-Origan-Project-Id', 'x'],
    ['X-Utf8', 'ü'],
  ];
  expect(headers([{ for: '/*', set }], '/').slice(3)).toEqual(['X-Utf8: Ã¼']);
});

test('the tree finds what matching each pattern finds', () => {
  const parts = ['a', 'b', ':x', ':y'];
  const patterns = ['/', '/*'];
  for (const one of parts) {
    patterns.push(`/${one}`, `/${one}/*`, `/${one}/`);
    for (const two of parts) if (two !== one) patterns.push(`/${one}/${two}`, `/${one}/${two}/*`);
  }
  const rules = patterns.map((pattern) => ({ for: pattern, set: [['X-P', pattern] as [string, string]] }));
  const compiled = compileHeaderRules(rules);
  for (const path of ['/', '/a', '/a/', '/a/b', '/b/a/c', '/c', '/c/d', '/c/d/', '/a/b/c/d']) {
    const found = compiled.editsFor(path).map(({ set }) => set[0]?.[1]);
    expect(found, path).toEqual(patterns.filter((pattern) => matchPattern(pattern, path) !== undefined));
  }
});
