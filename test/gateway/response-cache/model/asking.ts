import type { Content } from './content.ts';
import type { Request } from './generate.ts';
import { sameTag, type Kept } from './rules.ts';
import { describeCall } from './system.ts';

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

export function callOf({ tag, range, ifRange }: Condition): string {
  return describeCall(tag, range === undefined ? undefined : `bytes=${range.first}-${range.last}`, ifRange);
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
