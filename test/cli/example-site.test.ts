import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { buildSite, type BuiltSite } from '../../cli/build-site.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));

let site: BuiltSite;
let paths: Set<string>;

beforeAll(async () => {
  site = await buildSite({ directory: EXAMPLES });
  paths = new Set(
    site.manifest.resources.filter(({ kind }) => kind === 'static').map(({ urlPath }) => urlPath),
  );
});

async function textOf(urlPath: string): Promise<string> {
  return readFile(`${site.directory}${urlPath}`, 'utf8');
}

describe('the example site', () => {
  test('deploys without a warning and has a part of every kind', () => {
    expect(site.warnings).toEqual([]);
    const extensions = new Set([...paths].map((path) => path.split('.').pop()));
    for (const extension of ['html', 'css', 'js', 'svg', 'png', 'jpg', 'webp', 'woff2', 'txt']) {
      expect(extensions).toContain(extension);
    }
    for (const path of ['/404.html', '/guides/404.html', '/guides/index.html', '/roast.html']) {
      expect(paths).toContain(path);
    }
    expect(site.manifest.notFound).toBe('404');
    expect(site.functions).toBeGreaterThanOrEqual(9);
    expect(site.manifest.redirects?.length).toBeGreaterThan(3);
    expect(site.manifest.headers?.length).toBeGreaterThan(1);
  });

  test('a name with a hash holds the hash of its content', () => {
    const assets = site.manifest.resources.filter(({ urlPath }) => urlPath.startsWith('/assets/'));
    expect(assets.length).toBeGreaterThan(8);
    for (const asset of assets) {
      expect(asset.urlPath).toContain(`.${asset.hash?.slice(0, 8)}.`);
      expect(asset).toMatchObject({ fingerprinted: true });
    }
  });

  test('every address that a page, style or script names leads somewhere, and nothing leaves the site', async () => {
    const answered = (address: string): boolean => {
      const path = address.replace(/[?#].*$/, '');
      const files = [path, `${path}.html`, `${path}index.html`];
      const isFunction = site.manifest.resources.some(
        ({ kind, urlPath }) =>
          kind === 'dynamic' && new RegExp(`^${urlPath.replace(/:\w+|\*/g, '.+')}$`).test(path),
      );
      return files.some((file) => paths.has(file)) || isFunction;
    };
    for (const source of [...paths].filter((path) => /\.(?:html|css|js)$/.test(path))) {
      const text = await textOf(source);
      const named = text.matchAll(
        /(?:href|src|action|content|data-call)="(\/[^"]*|https?:[^"]*)"|url\("([^"]+)"\)|'(\/api\/[^']*)'/g,
      );
      for (const [, attribute, url, literal] of named) {
        const address = attribute ?? url ?? literal ?? '';
        expect(answered(address), `${source} names ${address}`).toBe(true);
      }
    }
  });

  test('every page is readable by everyone: language, title, one h1, text for images, labels for fields', async () => {
    for (const page of [...paths].filter((path) => path.endsWith('.html'))) {
      const html = await textOf(page);
      expect(html, page).toMatch(/<html lang="en">/);
      expect(html, page).toMatch(/<title>[^<]{5,}<\/title>/);
      expect(html.match(/<h1\b/g), page).toHaveLength(1);
      for (const [image] of html.matchAll(/<img\b[^>]*>/g)) expect(image, page).toMatch(/ alt="/);
      // The site's own policy forbids both.
      expect(html, page).not.toMatch(/<style\b|\sstyle=|<script(?![^>]*src=)/);
    }
    const form = await textOf('/visit.html');
    for (const [field] of form.matchAll(/<label>[^<]*<(?:input|select|textarea)\b/g))
      expect(field).toMatch(/<label>\w/);
    expect(form.match(/<(?:input|select|textarea)\b/g)?.length).toBe(form.match(/<label>/g)?.length);
  });

  test('its fonts come with their licences', async () => {
    for (const path of [...paths].filter((name) => name.endsWith('.woff2'))) {
      const family = /assets\/(.+)\.[0-9a-f]{8}\.woff2$/.exec(path)?.[1];
      expect(await textOf(`/licenses/${family}.txt`)).toContain('SIL Open Font License');
    }
  });
});
