import { describe, expect, test } from 'vitest';
import { compileRules } from '../../cli/compile-rules.ts';
import { siteFolder } from '../support/site-folder.ts';

async function compile(files: Record<string, string>, config = {}): ReturnType<typeof compileRules> {
  return compileRules(await siteFolder(files), config);
}

describe('_redirects', () => {
  test('a source, a target and a status; 302 by default, ! forces, # comments', async () => {
    const { redirects } = await compile({
      _redirects:
        '\uFEFF# old pages\n/a /b\r\n/c   /d  301   # gone\n\n/e/* https://example.com/:splat 308!\n/f /g#part\n',
    });
    expect(redirects).toEqual([
      { from: '/a', to: '/b', status: 302 },
      { from: '/c', to: '/d', status: 301 },
      { from: '/e/*', to: 'https://example.com/:splat', status: 308, force: true },
      { from: '/f', to: '/g#part', status: 302 },
    ]);
  });

  test('sources are compared unencoded, so escapes of theirs are decoded; targets are sent as they are', async () => {
    const { redirects } = await compile({
      _redirects:
        '/my%20page /new%20page\n/caf%C3%A9/:id /c/:id\n/a%2fb /x\n/100% /y\n/%2A /z\n/%3Aid /z\n/why%3F /z\n',
    });
    expect(redirects.map(({ from, to }) => [from, to])).toEqual([
      ['/my page', '/new%20page'],
      ['/café/:id', '/c/:id'],
      ['/a%2Fb', '/x'],
      ['/100%', '/y'],
      ['/%2A', '/z'],
      ['/%3Aid', '/z'],
      ['/why%3F', '/z'],
    ]);
  });

  test('/* /index.html 200 is the single-page fallback, not a rule', async () => {
    const compiled = await compile({ _redirects: '/api/x /y 200\n/* /index.html 200\n' });
    expect(compiled.isSpa).toBe(true);
    expect(compiled.redirects).toHaveLength(1);
  });

  test.each([
    ['/a', '_redirects line 1: /a has no target'],
    ['\n/a /b 999', '_redirects line 2: the status must be one of 200, 301'],
    ['/a /b 404', 'add a 404.html'],
    ['/a /b abc', 'abc is no status'],
    ['/a /b 302 Country=us', 'not conditions or query matches'],
    ['/a id=:id /b 301', 'not conditions or query matches'],
    ['https://example.com/a /b', 'the source must be a path'],
  ])('%j is refused', async (text, message) => {
    await expect(compile({ _redirects: text })).rejects.toThrow(message);
  });
});

describe('_headers', () => {
  test('blocks set, append and remove', async () => {
    const { headers } = await compile({
      _headers:
        '# all\n/*\n  X-Frame-Options: DENY\n  Link: </a.css>; rel=preload\n  Link: </b.css>; rel=preload\n/a/:id\n  ! X-Frame-Options\n\tCache-Control:public, max-age=60\n',
    });
    expect(headers).toEqual([
      {
        for: '/*',
        set: [
          ['X-Frame-Options', 'DENY'],
          ['Link', '</a.css>; rel=preload'],
          ['Link', '</b.css>; rel=preload'],
        ],
      },
      { for: '/a/:id', set: [['Cache-Control', 'public, max-age=60']], remove: ['X-Frame-Options'] },
    ]);
  });

  test('paths with escapes are those without', async () => {
    const { headers } = await compile({ _headers: '/my%20page\n  X-A: 1\n/my other page\n  X-A: 2\n' });
    expect(headers.map((rule) => rule.for)).toEqual(['/my page', '/my other page']);
    await expect(compile({ _headers: '/a/%2e%2e/b\n  X-A: 1\n' })).rejects.toThrow('contains a dot segment');
  });

  test.each([
    ['  X: y', '_headers line 1: comes before any path'],
    ['/*\n  nonsense', '_headers line 2: must be "Name: value" or "! Name"'],
    ['/*\n  Content-Length: 5', 'Content-Length is set by the edge'],
    ['/*\n  ETag: "x"', 'ETag is set by the edge'],
    ['/*\n  ! Transfer-Encoding', 'Transfer-Encoding is set by the edge'],
    ['/*\n  X-Origan-Deployment-Id: 1', 'is reserved for the platform'],
    ['/*\n  Bad Name: 1', 'Bad Name is no header name'],
    ['/*\n  X: ✓', 'the value of X contains a character that no header can carry'],
    ['/*', '/* has no headers'],
    ['https://example.com/*\n  X: y', 'must be a path, not a URL'],
    ['/a*b\n  X: y', '* must stand alone'],
  ])('%j is refused', async (text, message) => {
    await expect(compile({ _headers: text })).rejects.toThrow(message);
  });

  test('all wrong lines are named at once', async () => {
    const failure = compile({ _headers: '/*\n  ETag: 1\n', _redirects: '/a\n' });
    await expect(failure).rejects.toThrow(/_redirects line 1(.|\n)*_headers line 1/);
  });
});

test('the rules of origan.json come after those of the files', async () => {
  const compiled = await compile(
    { _headers: '/*\n  A: 1\n', _redirects: '/a /b' },
    {
      redirects: [{ from: '/c', to: '/d', status: 301 }],
      headers: [{ for: '/x', set: { B: ['1', '2'] }, remove: ['A'] }],
    },
  );
  expect(compiled.redirects.map(({ from }) => from)).toEqual(['/a', '/c']);
  expect(compiled.headers[1]).toEqual({
    for: '/x',
    set: [
      ['B', '1'],
      ['B', '2'],
    ],
    remove: ['A'],
  });
});
