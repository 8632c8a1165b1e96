import { systemClock, type Clock } from '../../core/clock.ts';
import { EdgeError, type ErrorCode } from '../../core/errors.ts';
import { silentLogger, type Logger } from '../../core/log.ts';
import type { ByteRange, ObjectStore } from '../../store/object-store.ts';
import { refused } from '../answer-directly.ts';
import { headerOf, type Answer, type Exchange, type FlatHeaders } from '../exchange.ts';
import { clientSignal } from '../functions/client-signal.ts';
import type { ReadyAnswer } from '../server/ready-answer.ts';
import type { CompiledSite } from '../site/compile-site.ts';
import { editOwnAnswer } from '../site/edit-answer.ts';
import type { FileMatch } from '../site/match-route.ts';
import { buildHeaders, notModifiedHeaders } from './build-headers.ts';
import { chooseForm, validatorsOf } from './choose-form.ts';
import type { ContentCache } from './content-cache.ts';
import { createEncoder } from './encode-contents.ts';
import { createFormFinder, missing, type Form, type FormFinder } from './find-form.ts';
import { fromMemory, type MemoryRequest } from './from-memory.ts';
import { HIT_STATUS, keepReady } from './keep-ready.ts';
import { evaluatePreconditions } from './preconditions.ts';
import { resolveRange, type RangeSpec } from './ranges.ts';

export type FileServer = {
  serve(exchange: Exchange, site: CompiledSite, match: FileMatch): Promise<Answer>;
  /** The answer without waiting, where memory has it ready; see from-memory.ts. */
  fromMemory(site: CompiledSite, request: MemoryRequest): ReadyAnswer | undefined;
  /** Resolves when no file is being encoded in the background. */
  idle(): Promise<void>;
  close(): Promise<void>;
};

export type FileServerParts = {
  contents: ContentCache;
  store: ObjectStore;
  /** Larger files stream from the bucket and do not pass through memory. */
  maxEntryBytes: number;
  log?: Logger;
  clock?: Pick<Clock, 'nowMs'>;
};

/** One answer in the making. */
type Serving = {
  store: ObjectStore;
  exchange: Exchange;
  form: Form;
  headers: FlatHeaders;
  /** The answer in place of the file; `named` are headers that tell about it. */
  refuse: (code: ErrorCode, named: FlatHeaders) => Answer;
};

/** Answers with a file: finds the form that suits the request, then decides between 200, 206, 304 and an error. */
export function createFileServer(parts: FileServerParts): FileServer {
  const { contents, store, maxEntryBytes, log = silentLogger(), clock = systemClock } = parts;
  const encoder = createEncoder({ contents, log });
  const forms = createFormFinder({ contents, encoder, store, log, maxEntryBytes });
  return {
    fromMemory: (site, request) => fromMemory(contents, site, request),
    idle: () => encoder.idle(),
    close: () => encoder.close(),
    serve: async (exchange, site, match) => {
      const { method, headers: sent } = exchange;
      const { file, status } = match;
      const refuse: Serving['refuse'] = (code, named) =>
        editOwnAnswer(refused(exchange, code, named), site, { path: exchange.target.path, file });
      const conditional = { method, headers: sent, nowMs: clock.nowMs() };
      const { form, range } = await chooseForm(forms, { ...conditional, file, hasRanges: status === 200 });
      if (form === undefined) return refuse('NOT_ACCEPTABLE', ['Vary', 'Accept-Encoding']);
      const validators = validatorsOf(form);
      const headers = headersOf(forms, exchange, site, { match, form });
      const serving = { store, exchange, form, headers, refuse };
      noteCacheResult(exchange, form);
      if (match.entry !== undefined) keepReady(forms, { site, match, form, headers });
      // RFC 9110 section 13.2.1: conditions count only where the answer would otherwise be a success.
      const verdict = status === 200 ? evaluatePreconditions(conditional, validators) : 'proceed';
      if (verdict === 'not-modified') {
        return { status: 304, headers: finish(serving, notModifiedHeaders(headers)), body: null };
      }
      if (verdict === 'precondition-failed') return refuse('PRECONDITION_FAILED', varyOf(headers));
      return range === undefined ? whole(serving, status) : part(serving, range);
    },
  };
}

function headersOf(
  forms: FormFinder,
  { target }: Exchange,
  site: CompiledSite,
  { match, form }: { match: FileMatch; form: Form },
): FlatHeaders {
  const { file, status, isFallback } = match;
  const { etag, lastModifiedMs } = validatorsOf(form);
  return buildHeaders({
    site,
    file,
    path: target.path,
    status,
    isFallback,
    coding: form.coding,
    varies: form.coding !== 'identity' || forms.varies(file, form.size),
    // What stands in for a missing page is no state of that page, so it cannot be validated.
    etag: status === 200 ? etag : undefined,
    lastModifiedMs: status === 200 ? lastModifiedMs : undefined,
  });
}

async function whole(serving: Serving, status: number): Promise<Answer> {
  const { form, headers } = serving;
  const body = await bodyOf(serving, undefined);
  return { status, headers: finish(serving, [...headers, 'Content-Length', String(form.size)]), body };
}

/** RFC 9110 sections 14.4, 15.3.7 and 15.5.17. */
async function part(serving: Serving, spec: RangeSpec): Promise<Answer> {
  const { form, headers } = serving;
  const range = resolveRange(spec, form.size);
  if (range.kind === 'whole') return whole(serving, 200);
  if (range.kind === 'unsatisfiable') {
    const named = ['Content-Range', `bytes */${form.size}`, ...varyOf(headers)];
    return serving.refuse('RANGE_NOT_SATISFIABLE', named);
  }
  const { start, end } = range;
  const ranged = ['Content-Range', `bytes ${start}-${end}/${form.size}`];
  const length = ['Content-Length', String(end - start + 1)];
  const body = await bodyOf(serving, { start, end });
  return { status: 206, headers: finish(serving, [...headers, ...ranged, ...length]), body };
}

async function bodyOf(
  { store, exchange, form }: Serving,
  range: ByteRange | undefined,
): Promise<Answer['body']> {
  const { source, size } = form;
  if (source.kind === 'memory') {
    return range === undefined ? source.body : source.body.subarray(range.start, range.end + 1);
  }
  // A HEAD says what a GET would, so it must know whether the object is there.
  if (exchange.method === 'HEAD') {
    const head = await store.head(source.objectKey);
    if (head?.size !== size) throw missing(source.objectKey);
    return null;
  }
  const object = await store.get(source.objectKey, { range, signal: clientSignal(exchange) });
  if (object === undefined) throw missing(source.objectKey);
  if (object.size === size) return object.body;
  object.body.destroy();
  throw new EdgeError('OBJECT_MISSING', {
    detail: `${source.objectKey} has ${object.size} bytes, its manifest says ${size}`,
  });
}

function varyOf(headers: FlatHeaders): FlatHeaders {
  const vary = headerOf(headers, 'vary');
  return vary === undefined ? [] : ['Vary', vary];
}

function noteCacheResult({ event }: Exchange, { source }: Form): void {
  event.cache = source.kind === 'bucket' ? 'bypass' : source.wasHit ? 'hit' : 'miss';
}

/** Cache-Status (RFC 9211) and the request's id go last. */
function finish({ exchange, form }: Serving, headers: FlatHeaders): FlatHeaders {
  return [...headers, 'Cache-Status', cacheStatus(form), 'X-Origan-Request-Id', exchange.id];
}

function cacheStatus({ source }: Form): string {
  if (source.kind === 'bucket') return 'origan-edge; fwd=bypass';
  return source.wasHit ? HIT_STATUS : 'origan-edge; fwd=uri-miss; stored';
}
