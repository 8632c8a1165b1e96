import { expect, test } from 'vitest';
import type { Manifest } from '../../../contracts/manifest.ts';
import { compileSite, type CompiledSite } from '../../../gateway/site/compile-site.ts';
import { matchRoute } from '../../../gateway/site/match-route.ts';

const ROUNDS = 20_000;

function siteWith(count: number): CompiledSite {
  const resources = Array.from({ length: count }, (_, index): Manifest['resources'][number][] => [
    { kind: 'static', urlPath: `/pages/${index}.html`, resourcePath: `${index}.html` },
    { kind: 'dynamic', urlPath: `/api/${index}/:id`, resourcePath: `f/${index}.js` },
  ]).flat();
  const headers = Array.from({ length: count }, (_, index) => ({
    for: `/pages/${index}/*`,
    set: [['X-A', '1'] as [string, string]],
  }));
  const redirects = Array.from({ length: count }, (_, index) => ({
    from: `/old/${index}`,
    to: `/pages/${index}`,
    status: 301 as const,
  }));
  const config: Manifest = { version: 1, html: 'auto', resources, headers, redirects };
  return compileSite({ deploymentId: 'd', projectId: 'p', config });
}

/** The fastest of several runs: what else the machine does only ever makes a run slower. */
function fastest(site: CompiledSite): number {
  const paths = ['/pages/7', '/api/7/x', '/old/7', '/nowhere', '/pages/7.html'];
  const run = (): number => {
    const began = performance.now();
    for (let round = 0; round < ROUNDS; round += 1) {
      const path = paths[round % paths.length] ?? '/';
      matchRoute(site, { path, rawPath: path, search: '', method: 'GET', headers: {} });
      site.headerRules.editsFor(path);
    }
    return performance.now() - began;
  };
  return Math.min(...Array.from({ length: 7 }, run));
}

test('a request costs the depth of its path and not the size of the site', () => {
  const small = siteWith(10);
  const large = siteWith(2000);
  fastest(small);
  // A scan would make it two hundred times as much.
  expect(fastest(large) / fastest(small)).toBeLessThan(5);
});
