import type { FlatHeaders } from '../exchange.ts';
import { applyEdits, toEdit, withoutCaching, type Field } from '../site/header-rules.ts';
import type { CompiledFile, CompiledSite } from '../site/compile-site.ts';
import type { EntityTag } from './etag.ts';
import type { Coding } from './negotiate.ts';

/** Which headers a form of a file gets depends on all of this and on nothing else. */
export type HeaderSubject = {
  site: CompiledSite;
  file: CompiledFile;
  /** Path of the request: what header rules look at. */
  path: string;
  status: 200 | 404;
  isFallback: boolean;
  coding: Coding;
  /** Whether other requests for the URL may be answered with another coding. */
  varies: boolean;
  etag: EntityTag | undefined;
  lastModifiedMs: number | undefined;
};

/**
 * Headers of a file's answer without Content-Length: first those that describe the bytes and their state, then
 * those that the site's rules had a say in.
 */
export function buildHeaders(subject: HeaderSubject): FlatHeaders {
  const { coding, etag, lastModifiedMs, status } = subject;
  const headers: string[] = [];
  if (etag !== undefined) headers.push('ETag', etag);
  if (lastModifiedMs !== undefined) headers.push('Last-Modified', new Date(lastModifiedMs).toUTCString());
  if (coding !== 'identity') headers.push('Content-Encoding', coding);
  // RFC 9110 section 14.3: ranges are served of the bytes as they are, not of an encoding.
  else if (status === 200) headers.push('Accept-Ranges', 'bytes');
  for (const { name, value } of siteFields(subject)) headers.push(name, value);
  return headers;
}

/** RFC 9110 section 15.4.5: no representation metadata but what caches need to update what they stored. */
const NOT_IN_304: ReadonlySet<string> = new Set([
  'accept-ranges',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-range',
  'content-type',
  'x-content-type-options',
]);

/** The headers of a 304 from those of the 200. */
export function notModifiedHeaders(ok: FlatHeaders): FlatHeaders {
  const kept: string[] = [];
  for (let index = 0; index + 1 < ok.length; index += 2) {
    const name = ok[index] ?? '';
    if (!NOT_IN_304.has(name.toLowerCase())) kept.push(name, ok[index + 1] ?? '');
  }
  return kept;
}

function siteFields(subject: HeaderSubject): Field[] {
  const { site, file, path, isFallback } = subject;
  const own = Object.entries(file.resource.headers ?? {});
  const edits = [toEdit(own), ...site.headerRules.editsFor(path)];
  // A rule that makes /assets/* immutable must not make the page that stands in for a missing one so.
  const allowed = isFallback ? edits.map(withoutCaching) : edits;
  return applyEdits(defaults(subject), allowed);
}

function defaults({ site, file, status, isFallback, varies }: HeaderSubject): Field[] {
  const isImmutable = file.isImmutable && !isFallback;
  const fields: [string, string][] = [
    ['Content-Type', file.contentType],
    // Types come from the name of the file: without this a browser may take an upload for a script.
    ['X-Content-Type-Options', 'nosniff'],
    ['Cache-Control', status === 404 ? 'no-store' : cacheControl(site.isPreview, isImmutable)],
  ];
  if (varies) fields.push(['Vary', 'Accept-Encoding']);
  if (site.isPreview) fields.push(['X-Robots-Tag', 'noindex']);
  return fields.map(([name, value]) => ({ name, value, isDefault: true }));
}

export function cacheControl(isPreview: boolean, isImmutable: boolean): string {
  const scope = isPreview ? 'private' : 'public';
  return isImmutable ? `${scope}, max-age=31536000, immutable` : `${scope}, max-age=0, must-revalidate`;
}
