import type { FunctionResource } from '../../contracts/manifest.ts';
import type { SiteRecord } from '../../contracts/site.ts';
import type { ReadyForms } from '../static/ready-form.ts';
import { compilePaths, type PathEntry } from '../../contracts/clean-urls.ts';
import { compileFile, type CompiledFile } from './compile-file.ts';
import { compileHeaderRules, type HeaderRules } from './header-rules.ts';
import { compileRedirects, type Redirects } from './redirects.ts';
import { createRouteTable, type RouteTable } from './route-table.ts';

export type { CompiledFile } from './compile-file.ts';

/** What a path leads to; a file's entry also keeps its answers ready to send, see from-memory.ts. */
export type SitePath = PathEntry<CompiledFile> & { ready?: ReadyForms };

/** A deployment made ready to answer: everything here is derived from the record and never changes. */
export type CompiledSite = {
  record: SiteRecord;
  /** Shown at a preview host: nothing there is for shared caches or search engines. */
  isPreview: boolean;
  /** Files by the path under which they are stored. */
  files: ReadonlyMap<string, CompiledFile>;
  /** Every path that files answer, clean URLs included. */
  paths: ReadonlyMap<string, SitePath>;
  functions: RouteTable;
  redirects: Redirects;
  headerRules: HeaderRules;
  /** `spa`: navigations that match nothing get /index.html; `404`: the nearest 404.html. */
  notFound: 'spa' | '404';
};

export function compileSite(record: SiteRecord, isPreview = false): CompiledSite {
  const { config } = record;
  const files = new Map<string, CompiledFile>();
  const functions: FunctionResource[] = [];
  for (const resource of config.resources) {
    if (resource.kind === 'dynamic') functions.push(resource);
    else if (isReachable(resource.urlPath) && !files.has(resource.urlPath)) {
      files.set(resource.urlPath, compileFile(record, resource));
    }
  }
  return {
    record,
    isPreview,
    files,
    paths: compilePaths(files, config.html ?? 'off'),
    functions: createRouteTable(functions),
    redirects: compileRedirects(config.redirects ?? []),
    headerRules: compileHeaderRules(config.headers ?? []),
    notFound: config.notFound ?? (files.has('/index.html') && !files.has('/404.html') ? 'spa' : '404'),
  };
}

/** Requests are looked up with dots resolved and slashes collapsed: a path in another form is never asked for. */
function isReachable(urlPath: string): boolean {
  return !/\/\/|\/\.{1,2}(?:\/|$)|\\/.test(urlPath);
}
