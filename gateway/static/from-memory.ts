import type { IncomingHttpHeaders } from 'node:http';
import { MAX_TARGET_LENGTH } from '../read-target.ts';
import type { ReadyAnswer } from '../server/ready-answer.ts';
import type { CompiledSite } from '../site/compile-site.ts';
import { PIN_COOKIE, pinCookie, PIN_HEADER, PIN_QUERY, requestedPin } from '../site/pin.ts';
import type { ContentCache } from './content-cache.ts';
import { acceptedCodings } from './negotiate.ts';
import type { ReadyForm, ReadyForms } from './ready-form.ts';

export type MemoryRequest = {
  id: string;
  method: string;
  /** Request target as received. */
  url: string;
  headers: IncomingHttpHeaders;
};

/**
 * The answer to a plain request for a file that is in memory with its headers ready, without waiting for anything.
 * Undefined for whatever is unusual: then the ordinary way answers, with the same bytes. This path exists because a
 * hit through the steps of the flow costs several times the CPU of a bare HTTP server.
 */
export function fromMemory(
  contents: ContentCache,
  site: CompiledSite,
  { id, method, url, headers }: MemoryRequest,
): ReadyAnswer | undefined {
  if ((method !== 'GET' && method !== 'HEAD') || isUnusual(headers)) return undefined;
  const mark = url.indexOf('?');
  // What a target may not be, the flow says. Only in a query: no path that is ready has it.
  if (mark !== -1 && (url.length > MAX_TARGET_LENGTH || url.includes('#', mark))) return undefined;
  if (isPinnedElsewhere(site, mark === -1 ? '' : url.slice(mark), headers)) return undefined;
  // Entries are ready only where a path reads the same encoded and decoded, so there is nothing to decode here.
  const entry = site.paths.get(mark === -1 ? url : url.slice(0, mark));
  if (entry?.kind !== 'file' || entry.ready === undefined) return undefined;
  const ready = readyForm(entry.ready, headers['accept-encoding']);
  const content = ready === undefined ? undefined : contents.get(ready.contentId);
  if (ready === undefined || content?.body.length !== ready.size) return undefined;
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch === undefined)
    return { status: 200, head: `${ready.ok}${id}\r\n`, body: method === 'HEAD' ? null : content.body };
  if (ifNoneMatch !== ready.etag) return undefined;
  return { status: 304, head: `${ready.notModified}${id}\r\n`, body: null };
}

/** Whether the request asks for another build, or has a cookie that a page may take away, see site/pin.ts. */
function isPinnedElsewhere({ record }: CompiledSite, search: string, headers: IncomingHttpHeaders): boolean {
  const isPlain =
    (search === '' || !search.includes(PIN_QUERY)) &&
    headers[PIN_HEADER] === undefined &&
    (headers.cookie === undefined || !headers.cookie.includes(PIN_COOKIE));
  if (isPlain) return false;
  const pin = requestedPin({ search, headers })?.deploymentId ?? pinCookie(headers.cookie);
  return pin !== undefined && pin !== record.deploymentId;
}

/** Conditions and ranges that the ordinary way evaluates. */
function isUnusual(headers: IncomingHttpHeaders): boolean {
  return (
    headers.range !== undefined ||
    headers['if-match'] !== undefined ||
    headers['if-modified-since'] !== undefined ||
    headers['if-unmodified-since'] !== undefined
  );
}

/** The best form that the file has; undefined where that is not known yet. */
function readyForm(ready: ReadyForms, acceptEncoding: string | string[] | undefined): ReadyForm | undefined {
  if (Array.isArray(acceptEncoding)) return undefined;
  for (const coding of acceptedCodings(acceptEncoding)) {
    const form = ready[coding];
    if (form === undefined) return undefined;
    if (form !== 'absent') return form;
  }
  return undefined;
}
