import mime from 'mime-types';
import type { FunctionResource, StaticResource } from '../../contracts/manifest.ts';
import { resourceKey } from '../../contracts/object-keys.ts';
import type { SiteRecord } from '../../contracts/site.ts';
import { createRouteTable, type RouteTable } from './route-table.ts';

/** A static file with all that a request for it needs, worked out once per deployment. */
export type CompiledFile = {
  resource: StaticResource;
  /** Key of the object in the bucket. */
  objectKey: string;
  /** Key in the memory cache: the content hash, or deployment and path where the manifest has none. */
  contentId: string;
  contentType: string;
  cacheControl: string;
};

/** A deployment made ready to answer: everything here is derived from the record and never changes. */
export type CompiledSite = {
  record: SiteRecord;
  files: ReadonlyMap<string, CompiledFile>;
  functions: RouteTable;
  /** `spa`: navigations that match nothing get /index.html; `404`: the nearest 404.html. */
  notFound: 'spa' | '404';
};

const IMMUTABLE = 'public, max-age=31536000, immutable';
const REVALIDATE = 'public, max-age=0, must-revalidate';
// Names that build tools give to files whose content they hash: `app.3f2a9c1b.js`, `index-BkJ3a9_x.css`.
const FINGERPRINT = /[.-](?=[\w-]*\d)[\w-]{8,}\.[a-z0-9]+(?:\.map)?$/i;

export function compileSite(record: SiteRecord): CompiledSite {
  const files = new Map<string, CompiledFile>();
  const functions: FunctionResource[] = [];
  for (const resource of record.config.resources) {
    if (resource.kind === 'dynamic') functions.push(resource);
    else if (!files.has(resource.urlPath)) files.set(resource.urlPath, compileFile(record, resource));
  }
  const notFound =
    record.config.notFound ?? (files.has('/index.html') && !files.has('/404.html') ? 'spa' : '404');
  return { record, files, functions: createRouteTable(functions), notFound };
}

function compileFile(record: SiteRecord, resource: StaticResource): CompiledFile {
  const isFingerprinted = resource.fingerprinted ?? FINGERPRINT.test(resource.urlPath);
  const isHtml = resource.urlPath.endsWith('.html');
  return {
    resource,
    objectKey: resourceKey(record, resource) ?? '',
    contentId: resource.hash ?? `${record.deploymentId}/${resource.resourcePath}`,
    contentType: contentTypeOf(resource.urlPath),
    cacheControl: isFingerprinted && !isHtml ? IMMUTABLE : REVALIDATE,
  };
}

/** By the logical path, with charset for text (RFC 9110 section 8.3). */
export function contentTypeOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return mime.contentType(name) || 'application/octet-stream';
}
