import { checkRedirects } from '../contracts/check-redirects.ts';
import type { FunctionResource, Manifest, StaticResource } from '../contracts/manifest.ts';
import type { BundledFunction } from './bundle-functions.ts';
import { badRules, type CompiledRules } from './compile-rules.ts';
import { findFingerprinted } from '../contracts/fingerprint.ts';
import type { SiteConfig } from './site-config.ts';

export type HashedFile = { path: string; hash: string; size: number };

export type ManifestParts = {
  files: readonly HashedFile[];
  functions: readonly BundledFunction[];
  rules: CompiledRules;
  config: SiteConfig;
};

/** The manifest of a deployment, and what looks unintended in it. @throws CliError for rules that cannot be used. */
export function buildManifest(parts: ManifestParts): { manifest: Manifest; warnings: string[] } {
  const { files, functions, rules, config } = parts;
  const manifest: Manifest = {
    version: 1,
    resources: [...toStatic(files), ...functions.map(toDynamic)],
    objects: 'by-hash',
    html: config.html ?? 'auto',
    notFound: config.notFound ?? (rules.isSpa ? 'spa' : guessNotFound(files)),
    ...(rules.redirects.length > 0 ? { redirects: rules.redirects } : {}),
    ...(rules.headers.length > 0 ? { headers: rules.headers } : {}),
    ...(config.pinByCookie === undefined ? {} : { pinByCookie: config.pinByCookie }),
    ...(config.headersOnFunctions === undefined ? {} : { headersOnFunctions: config.headersOnFunctions }),
    ...(config.cache === undefined ? {} : { cache: config.cache }),
  };
  const findings = checkRedirects(manifest);
  if (findings.errors.length > 0) throw badRules(findings.errors);
  return { manifest, warnings: [...findings.warnings, ...hiddenFunctions(manifest), ...noEntry(manifest)] };
}

/**
 * A site whose only page is index.html, without a 404.html, is a single-page application; a site of several pages
 * answers a missing one with 404.
 */
function guessNotFound(files: readonly HashedFile[]): 'spa' | '404' {
  const pages = files.filter(({ path }) => path.endsWith('.html'));
  return pages.length === 1 && pages[0]?.path === 'index.html' ? 'spa' : '404';
}

function toStatic(files: readonly HashedFile[]): StaticResource[] {
  const fingerprinted = findFingerprinted(files.map(({ path }) => path));
  const names = new Set(files.map(({ path }) => path));
  return files.flatMap((file) => {
    const base = { kind: 'static' as const, resourcePath: file.path, hash: file.hash, size: file.size };
    const marked = fingerprinted.has(file.path) ? { ...base, fingerprinted: true } : base;
    // macOS hands out decomposed names, pages link to composed ones: such a file answers at both.
    const composed = file.path.normalize('NFC');
    const paths = names.has(composed) ? [file.path] : [file.path, composed];
    return paths.map((path): StaticResource => ({ ...marked, urlPath: `/${path}` }));
  });
}

function toDynamic(file: BundledFunction): FunctionResource {
  return {
    kind: 'dynamic',
    urlPath: file.route,
    resourcePath: `functions/${file.path.replace(/\.[^.]+$/, '.js')}`,
    ...(file.methods === undefined ? {} : { methods: file.methods }),
    ...(file.route.endsWith('*') ? { wildcard: true } : {}),
    hash: file.hash,
    size: file.code.length,
  };
}

function hiddenFunctions({ resources }: Manifest): string[] {
  const files = new Set(resources.filter(({ kind }) => kind === 'static').map(({ urlPath }) => urlPath));
  return resources
    .filter(
      ({ kind, urlPath }) => kind === 'dynamic' && (files.has(urlPath) || files.has(`${urlPath}/index.html`)),
    )
    .map(({ urlPath }) => `the function at ${urlPath} is never called by GET: a file is at its route`);
}

function noEntry({ resources }: Manifest): string[] {
  const hasEntry = resources.some(({ kind, urlPath }) =>
    kind === 'static' ? urlPath === '/index.html' : urlPath === '/' || urlPath === '/*',
  );
  return hasEntry
    ? []
    : ['there is no index.html at the root: the address of the site itself will answer 404'];
}
