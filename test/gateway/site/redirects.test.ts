import { describe, expect, test } from 'vitest';
import type { RedirectRule } from '../../../contracts/manifest.ts';
import { compileRedirects, type RedirectMatch } from '../../../gateway/site/redirects.ts';
import { decodePath } from '../../../gateway/decode-path.ts';

const rule = (from: string, to: string, status: RedirectRule['status'] = 302): RedirectRule => ({
  from,
  to,
  status,
});

function find(rules: RedirectRule[], url: string): RedirectMatch | undefined {
  const [received = '', query] = url.split('?');
  const search = query === undefined ? '' : `?${query}`;
  return compileRedirects(rules).unforced({ ...decodePath(received), search });
}

const location = (rules: RedirectRule[], url: string): string | undefined => {
  const match = find(rules, url);
  return match?.kind === 'redirect' ? match.location : undefined;
};

test('exact sources come before patterns, patterns in their order', () => {
  const rules = [rule('/a/*', '/first'), rule('/a/:x', '/second'), rule('/a/b', '/exact')];
  expect(location(rules, '/a/b')).toBe('/exact');
  expect(location(rules, '/a/c')).toBe('/first');
  expect(location(rules, '/a')).toBe('/first');
  expect(location(rules, '/b')).toBeUndefined();
});

test('the query is carried over unless the target has one', () => {
  expect(location([rule('/a', '/b')], '/a?x=1')).toBe('/b?x=1');
  expect(location([rule('/a', '/b?y=2')], '/a?x=1')).toBe('/b?y=2');
  expect(location([rule('/a', '/b#part')], '/a?x=1')).toBe('/b?x=1#part');
  expect(location([rule('/a', 'https://example.com/b')], '/a?x=1')).toBe('https://example.com/b?x=1');
});

describe('parameters', () => {
  test('go over as they came, encoded', () => {
    expect(location([rule('/news/:id/*', '/blog/:id/:splat')], '/news/1%2F2/a%20b/c')).toBe(
      '/blog/1%2F2/a%20b/c',
    );
    expect(location([rule('/n/*', '/:splat')], '/n/%C3%BC')).toBe('/%C3%BC');
  });

  test('cannot add to a query', () => {
    expect(location([rule('/n/:id', '/b?id=:id')], '/n/1&admin=1')).toBe('/b?id=1%26admin%3D1');
  });

  test('leave the origin of a target alone', () => {
    expect(location([rule('/n/*', 'https://example.com:8443/:splat')], '/n/x')).toBe(
      'https://example.com:8443/x',
    );
  });

  test('never make a target that names another host', () => {
    expect(location([rule('/n/*', '/:splat')], '/n/%2Fevil.example')).toBe('/%2Fevil.example');
    expect(location([rule('/n/:a/*', '/:splat')], '/n/x')).toBe('/');
    expect(location([rule('/:a/x', '//:a')], '/evil.example/x')).toBeUndefined();
    expect(location([rule('/n/*', '/:splat/evil.example')], '/n')).toBe('/evil.example');
  });
});

test('a target is sent as a URI', () => {
  expect(location([rule('/a', '/ü"<')], '/a')).toBe('/%C3%BC%22%3C');
  expect(location([rule('/a', '/b%20c')], '/a')).toBe('/b%20c');
});

test('a rule that leads to the URL itself does not apply', () => {
  expect(find([rule('/*', '/:splat')], '/a')).toBeUndefined();
  expect(find([rule('/*', '/:splat'), rule('/a/*', '/b')], '/a')).toMatchObject({ location: '/b' });
});

test('what could break an answer is left out', () => {
  expect(find([rule('/a', '/b\r\nSet-Cookie: x=1')], '/a')).toBeUndefined();
  expect(find([rule('/a', 'javascript:alert(1)')], '/a')).toBeUndefined();
  expect(find([rule('/a', 'https://elsewhere.example/', 200)], '/a')).toBeUndefined();
});

test('a rewrite says what it leads to', () => {
  expect(find([rule('/v1/*', '/api/:splat', 200)], '/v1/x?y=1')).toEqual({
    kind: 'rewrite',
    rawPath: '/api/x',
    search: '?y=1',
    isWildcard: true,
  });
});

test('forced rules are kept apart', () => {
  const redirects = compileRedirects([{ ...rule('/a/*', '/b'), force: true }]);
  const request = { path: '/a/x', rawPath: '/a/x', search: '' };
  expect(redirects.unforced(request)).toBeUndefined();
  expect(redirects.forced(request)).toMatchObject({ kind: 'redirect', location: '/b' });
  expect(redirects.mayForce('/a/x')).toBe(true);
  expect(redirects.mayForce('/b')).toBe(false);
});
