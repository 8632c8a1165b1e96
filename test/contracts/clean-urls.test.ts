import { describe, expect, test } from 'vitest';
import { compilePaths, type HtmlMode } from '../../contracts/clean-urls.ts';

/** Paths of the site and what each leads to: the stored file, or `-> path`. Equal letters are equal contents. */
function paths(mode: HtmlMode, stored: Record<string, string>): Record<string, string> {
  const files = new Map(
    Object.entries(stored).map(([path, content]) => [path, { path, contentId: content }]),
  );
  return Object.fromEntries(
    Array.from(compilePaths(files, mode), ([path, entry]) => [
      path,
      entry.kind === 'file' ? entry.file.path : `-> ${entry.to}`,
    ]),
  );
}

describe('auto', () => {
  test('a page', () => {
    expect(paths('auto', { '/a.html': 'A' })).toEqual({
      '/a': '/a.html',
      '/a.html': '-> /a',
      '/a/': '-> /a',
    });
  });

  test('the index of a folder', () => {
    expect(paths('auto', { '/a/index.html': 'A' })).toEqual({
      '/a/': '/a/index.html',
      '/a': '-> /a/',
      '/a/index': '-> /a/',
      '/a/index.html': '-> /a/',
    });
  });

  test('both, each its own', () => {
    expect(paths('auto', { '/a.html': 'A', '/a/index.html': 'B' })).toEqual({
      '/a': '/a.html',
      '/a/': '/a/index.html',
      '/a.html': '-> /a',
      '/a/index.html': '-> /a/',
      '/a/index': '-> /a/',
    });
  });

  test('the root', () => {
    expect(paths('auto', { '/index.html': 'A' })).toEqual({
      '/': '/index.html',
      '/index.html': '-> /',
      '/index': '-> /',
    });
  });

  test('a file at the clean URL stays, and the page behind it keeps its own', () => {
    expect(paths('auto', { '/a': 'X', '/a.html': 'A' })).toEqual({
      '/a': '/a',
      '/a.html': '/a.html',
    });
  });

  test('a file of the same content takes the redirect', () => {
    expect(paths('auto', { '/a': 'A', '/a.html': 'A' })).toMatchObject({ '/a': '/a', '/a.html': '-> /a' });
  });

  test('names that only look like pages', () => {
    expect(paths('auto', { '/.html': 'A', '/a.htm': 'B', '/a.html.html': 'C', '/b.js': 'D' })).toEqual({
      '/.html': '/.html',
      '/a.htm': '/a.htm',
      '/a.html': '/a.html.html',
      '/a.html.html': '-> /a.html',
      '/a.html/': '-> /a.html',
      '/b.js': '/b.js',
    });
  });
});

test('slash: both forms end in a slash, the index first', () => {
  expect(paths('slash', { '/a.html': 'A', '/b/index.html': 'B' })).toEqual({
    '/a/': '/a.html',
    '/a': '-> /a/',
    '/a.html': '-> /a/',
    '/b/': '/b/index.html',
    '/b': '-> /b/',
    '/b/index': '-> /b/',
    '/b/index.html': '-> /b/',
  });
  expect(paths('slash', { '/a.html': 'A', '/a/index.html': 'B' })).toMatchObject({
    '/a/': '/a/index.html',
    '/a.html': '/a.html',
    '/a': '-> /a/',
  });
});

test('no-slash: neither ends in a slash but the root, the page first', () => {
  expect(paths('no-slash', { '/index.html': 'R', '/b/index.html': 'B' })).toEqual({
    '/': '/index.html',
    '/index': '-> /',
    '/index.html': '-> /',
    '/b': '/b/index.html',
    '/b/': '-> /b',
    '/b/index': '-> /b',
    '/b/index.html': '-> /b',
  });
  expect(paths('no-slash', { '/a.html': 'A', '/a/index.html': 'B' })).toMatchObject({
    '/a': '/a.html',
    '/a/index.html': '/a/index.html',
    '/a/': '-> /a',
  });
});

test('off: the exact file, then its index, nothing redirected', () => {
  expect(paths('off', { '/index.html': 'R', '/a.html': 'A', '/b/index.html': 'B', '/b': 'X' })).toEqual({
    '/': '/index.html',
    '/index.html': '/index.html',
    '/a.html': '/a.html',
    '/b/index.html': '/b/index.html',
    '/b/': '/b/index.html',
    '/b': '/b',
  });
});

test('no redirect leads to another redirect or to nothing, whatever the files', () => {
  const names = [
    '/index.html',
    '/a.html',
    '/a/index.html',
    '/a',
    '/index/index.html',
    '/a.html/index.html',
    '/a/index',
  ];
  for (let mask = 0; mask < 2 ** names.length; mask += 1) {
    for (const mode of ['auto', 'slash', 'no-slash', 'off'] as const) {
      const chosen = names.filter((_, index) => (mask & (2 ** index)) !== 0);
      const all = paths(mode, Object.fromEntries(chosen.map((name) => [name, name])));
      for (const [from, to] of Object.entries(all)) {
        if (to.startsWith('-> ')) expect(all[to.slice(3)], `${mode} ${from}`).toMatch(/^\//);
      }
      const reachable = new Set(Object.values(all));
      for (const name of chosen) expect(reachable, `${mode} ${chosen.join(' ')}`).toContain(name);
    }
  }
});
