import type { Manifest } from './manifest.ts';

export type HtmlMode = NonNullable<Manifest['html']>;

/** What a path of the site leads to among its files. */
export type PathEntry<File> = { kind: 'file'; path: string; file: File } | { kind: 'redirect'; to: string };

/** A page under the URLs that lead to it. */
type Page<File> = { stored: string; file: File; canonical: string; aliases: readonly string[] };

/**
 * Every path that the files of a site answer, and how: their own paths, and for pages the clean URLs of the mode
 * (http.md, "Clean URLs"). Worked out once per deployment, so that a request costs one look-up.
 *
 * A path is redirected only to one that shows the same content, so no two pages can hide each other.
 */
export function compilePaths<File extends { contentId: string }>(
  files: ReadonlyMap<string, File>,
  mode: HtmlMode,
): Map<string, PathEntry<File>> {
  const entries = new Map<string, PathEntry<File>>();
  if (mode === 'off') return exactPaths(files, entries);
  const pages: Page<File>[] = [];
  for (const [path, file] of files) {
    if (path.endsWith('.html') && !path.endsWith('/.html')) pages.push(toPage(path, file, mode));
    else entries.set(path, { kind: 'file', path, file });
  }
  // Where two pages want one URL, the one stored in the form of the mode gets it.
  const order = pages.toSorted((a, b) => rank(a, mode) - rank(b, mode));
  for (const { canonical, file } of order) {
    const isTaken = entries.has(canonical) || files.has(canonical);
    if (!isTaken) entries.set(canonical, { kind: 'file', path: canonical, file });
  }
  for (const page of order) addOwnPath(entries, page);
  for (const { canonical, aliases, file } of order) {
    for (const alias of aliases) if (!entries.has(alias)) redirect(entries, alias, { to: canonical, file });
  }
  return entries;
}

/** Origan's present manifests: the exact file, then `{path}/index.html`, with and without a slash at the end. */
function exactPaths<File>(
  files: ReadonlyMap<string, File>,
  entries: Map<string, PathEntry<File>>,
): Map<string, PathEntry<File>> {
  for (const [path, file] of files) entries.set(path, { kind: 'file', path, file });
  for (const [path, file] of files) {
    if (!path.endsWith('/index.html')) continue;
    const folder = path.slice(0, -'index.html'.length);
    for (const alias of [folder, folder.slice(0, -1)]) {
      if (alias !== '' && !entries.has(alias)) entries.set(alias, { kind: 'file', path: alias, file });
    }
  }
  return entries;
}

function toPage<File>(stored: string, file: File, mode: Exclude<HtmlMode, 'off'>): Page<File> {
  const isIndex = stored.endsWith('/index.html');
  const bare = stored.slice(0, isIndex ? -'/index.html'.length : -'.html'.length);
  const hasSlash = isIndex ? mode !== 'no-slash' || bare === '' : mode === 'slash';
  const canonical = hasSlash ? `${bare}/` : bare;
  const other = hasSlash ? bare : `${bare}/`;
  const aliases = isIndex ? [other, `${bare}/index`] : [other];
  return { stored, file, canonical, aliases: aliases.filter((alias) => alias !== '') };
}

/** In `slash` (and for the root) a folder's index comes first, in `no-slash` the page of the name. */
function rank<File>({ stored }: Page<File>, mode: HtmlMode): number {
  const isIndex = stored.endsWith('/index.html');
  return isIndex === (mode !== 'no-slash') ? 0 : 1;
}

function addOwnPath<File extends { contentId: string }>(
  entries: Map<string, PathEntry<File>>,
  { stored, canonical, file }: Page<File>,
): void {
  if (!redirect(entries, stored, { to: canonical, file })) {
    entries.set(stored, { kind: 'file', path: stored, file });
  }
}

/** Redirects a path where its target shows the same content; says whether it did. */
function redirect<File extends { contentId: string }>(
  entries: Map<string, PathEntry<File>>,
  from: string,
  { to, file }: { to: string; file: File },
): boolean {
  const shown = entries.get(to);
  if (shown?.kind !== 'file' || shown.file.contentId !== file.contentId) return false;
  entries.set(from, { kind: 'redirect', to });
  return true;
}
