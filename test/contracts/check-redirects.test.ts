import { describe, expect, test } from 'vitest';
import { checkRedirects } from '../../contracts/check-redirects.ts';
import type { RedirectRule, Resource } from '../../contracts/manifest.ts';

const rule = (
  from: string,
  to: string,
  status: RedirectRule['status'] = 301,
  force?: boolean,
): RedirectRule => ({
  from,
  to,
  status,
  ...(force === undefined ? {} : { force }),
});

function check(redirects: RedirectRule[], files: string[] = []): { errors: string[]; warnings: string[] } {
  const resources = files.map((urlPath): Resource => ({
    kind: 'static',
    urlPath,
    resourcePath: urlPath.slice(1),
  }));
  return checkRedirects({ resources, redirects, html: 'auto' });
}

describe('checkRedirects', () => {
  test('sound rules pass without a word', () => {
    const rules = [
      rule('/old', '/new'),
      rule('/blog/:slug', '/posts/:slug'),
      rule('/docs/*', 'https://docs.example.com:8443/:splat', 302),
      rule('/app/*', '/app.html', 200),
    ];
    expect(check(rules, ['/new.html', '/app.html'])).toEqual({ errors: [], warnings: [] });
  });

  test.each([
    ['old', '/new', 'its source must begin with a slash'],
    ['//evil.example', '/new', 'its source must not begin with two slashes'],
    ['/a?x=1', '/new', 'its source must be a path'],
    ['/*/a', '/new', 'its source * must be the last segment'],
    ['/a*', '/new', 'its source * must stand alone'],
    ['/:a/:a', '/new', ':a is used twice'],
    ['/:splat', '/new', ':splat is reserved'],
    ['/a', '//evil.example', 'its target must not begin with two slashes'],
    ['/a', 'javascript:alert(1)', 'its target must be a path or an http(s) URL'],
    ['/a', 'new', 'its target must be a path or an http(s) URL'],
    ['/a', '/:name', ':name is not in its source'],
    ['/a/:b', '/:splat', ':splat is not in its source'],
  ])('%s -> %s: %s', (from, to, message) => {
    expect(check([rule(from, to)]).errors.join('\n')).toContain(message);
  });

  test('a rewrite to another host is refused', () => {
    expect(check([rule('/a', 'https://example.com/', 200)]).errors.join()).toContain(
      'a rewrite stays within the site',
    );
  });

  test.each([
    ['a pair', [rule('/a', '/b'), rule('/b', '/a')], '/a -> /b -> /a'],
    ['itself', [rule('/a', '/a')], '/a -> /a'],
    ['itself with a query', [rule('/a', '/a?x=1')], '/a -> /a'],
    ['a splat onto itself', [rule('/blog/*', '/blog/:splat')], '/blog/(any) -> /blog/(any)'],
    ['a splat that grows', [rule('/a/*', '/a/b/:splat')], '…'],
    ['through a pattern', [rule('/a/:x', '/b/:x'), rule('/b/*', '/a/:splat')], '/a/(x) -> /b/(x) -> /a/(x)'],
    ['everything to one page', [rule('/*', '/closed')], '/closed -> /closed'],
    ['over an escaped target', [rule('/a b', '/c'), rule('/c', '/a%20b')], '/a b -> /c -> /a b'],
  ])('a loop is refused: %s', (_, rules, way) => {
    const { errors } = check(rules);
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.join('\n')).toContain('loops');
    expect(errors.join('\n')).toContain(way);
  });

  test.each<[string, RedirectRule[], string[], string]>([
    [
      'from the clean URL of a page to its file',
      [rule('/about', '/about.html', 301, true)],
      ['/about.html'],
      '/about -> /about.html -> /about',
    ],
    [
      'to the slash that a page does not have',
      [rule('/docs', '/docs/', 301, true)],
      ['/docs.html'],
      '/docs -> /docs/ -> /docs',
    ],
    [
      'off the slash that a folder has',
      [rule('/docs/', '/docs', 301, true)],
      ['/docs/index.html'],
      '/docs/ -> /docs -> /docs/',
    ],
    [
      'from the root to its index',
      [rule('/', '/index.html', 302, true)],
      ['/index.html'],
      '/ -> /index.html -> /',
    ],
  ])('a loop through clean URLs is refused: %s', (_, rules, files, way) => {
    expect(check(rules, files).errors.join('\n')).toContain(`loops (${way})`);
  });

  test('a redirect to the longer spelling of another page is no loop', () => {
    expect(
      check([rule('/old', '/about.html'), rule('/older', '/docs')], ['/about.html', '/docs/index.html']),
    ).toEqual({
      errors: [],
      warnings: [],
    });
  });

  test('a file ends the way, unless the rule is forced', () => {
    expect(check([rule('/*', '/closed')], ['/closed.html']).errors).toEqual([]);
    expect(check([rule('/*', '/closed', 302, true)], ['/closed.html']).errors.join()).toContain('loops');
  });

  test('the same source twice is refused, whatever its parameters are called', () => {
    expect(check([rule('/a', '/b'), rule('/a', '/c')]).errors.join()).toContain(
      'has the same source as /a -> /b',
    );
    expect(check([rule('/p/:x', '/b'), rule('/p/:y', '/c')]).errors.join()).toContain('has the same source');
  });

  test('rules that never apply are warned about', () => {
    const { errors, warnings } = check(
      [rule('/docs/*', '/d/:splat'), rule('/docs/:a', '/e/:a'), rule('/x', '/y')],
      ['/x.html'],
    );
    expect(errors).toEqual([]);
    expect(warnings).toEqual([
      '/docs/:a -> /e/:a: never applies, /docs/* -> /d/:splat comes first',
      '/x -> /y: never applies, a file is at its source (a ! after the status forces it)',
    ]);
  });

  test('an exact source is looked up before patterns, so a pattern does not shadow it', () => {
    expect(check([rule('/docs/*', '/d/:splat'), rule('/docs/a', '/e')]).warnings).toEqual([]);
  });

  test('there are at most 2000 exact and 100 dynamic rules', () => {
    const exact = Array.from({ length: 2001 }, (_, index) => rule(`/a${index}`, '/b'));
    expect(check(exact).errors.join()).toContain('2001 exact redirects; at most 2000');
    const dynamic = Array.from({ length: 101 }, (_, index) => rule(`/a${index}/*`, '/b'));
    expect(check(dynamic).errors.join()).toContain('101 redirects with * or :name; at most 100');
    expect(check([...exact.slice(1), ...dynamic.slice(1)]).errors).toEqual([]);
  });
});
