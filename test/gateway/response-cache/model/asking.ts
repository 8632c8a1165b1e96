import type { Content } from './content.ts';
import type { Request } from './generate.ts';
import type { Outcome } from './reference.ts';
import { rangeFor, sameTag, type Kept } from './rules.ts';
import { describeCall } from './system.ts';
import type { Asked } from './ways.ts';

export type Condition = {
  tag?: string | undefined;
  since?: number | undefined;
  range?: Request['range'];
  ifRange?: string | undefined;
};

/** What the function is asked with: the stored validators, else the client's own. */
export function conditionOf(request: Request, touched: Kept | undefined): Condition {
  if (touched === undefined || request.method === 'HEAD') {
    const { ifNoneMatch: tag, range, ifRange } = request;
    return { tag, range, ifRange };
  }
  return { tag: touched.fields.etag, since: touched.fields.lastModified };
}

export function callOf({ tag, range, ifRange }: Condition, asked: Asked): string {
  const bytes = range === undefined ? undefined : `bytes=${range.first}-${range.last}`;
  return describeCall([tag ?? '-', bytes, ifRange], {
    isPlain: asked.way.kind === 'plain',
    isAuthorized: asked.isAuthorized,
    ...asked.selecting,
  });
}

/** The part that a function sends. */
export function answeredRange(
  { status, isRanged, fields }: Content,
  { range, ifRange }: Condition,
): Request['range'] {
  if (status !== 200 || isRanged !== true) return undefined;
  const holds = ifRange === undefined || (ifRange === fields.etag && ifRange.startsWith('"'));
  return holds ? range : undefined;
}

export function isForWhole({ method, range, ifRange, ifNoneMatch }: Request): boolean {
  return method === 'GET' && range === undefined && ifRange === undefined && ifNoneMatch === undefined;
}

export function isNotModified({ status, fields }: Content, { tag, since }: Condition): boolean {
  if (status !== 200) return false;
  if (tag !== undefined) return fields.etag !== undefined && sameTag(fields.etag, tag);
  return since !== undefined && fields.lastModified !== undefined && fields.lastModified <= since;
}

/** What the client gets of a stored response: all of it, a range, or that it has it already. */
export function answerFrom(request: Request, kept: Kept, calls: string[], age: number): Outcome {
  const { ifNoneMatch } = request;
  const { etag } = kept.fields;
  const isSame =
    kept.status === 200 && ifNoneMatch !== undefined && etag !== undefined && sameTag(ifNoneMatch, etag);
  if (isSame) return { status: 304, body: undefined, age, calls };
  const range = kept.status === 200 ? rangeFor(request, etag) : undefined;
  if (range !== undefined) {
    return { status: 206, body: kept.text.slice(range.first, range.last + 1), age, calls };
  }
  return { status: kept.status, body: request.method === 'HEAD' ? undefined : kept.text, age, calls };
}
