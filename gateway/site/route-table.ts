import type { FunctionResource } from '../../contracts/manifest.ts';
import { createPatternTree, isParam, splitPath, splitPattern, type Pattern } from './pattern-tree.ts';

/** What a path and a method lead to among a site's functions. */
export type FunctionMatch =
  | { kind: 'match'; resource: FunctionResource }
  | { kind: 'wrong-method'; allowed: string[] }
  | { kind: 'none' };

export type RouteTable = { match(path: string, method: string): FunctionMatch };

type Candidate = { resource: FunctionResource; rank: number };

/**
 * Compiles function routes into a tree of segments, so that a request costs its depth and not the number of
 * routes. Most specific first: no parameter, then `:param`, then `*`; more literal segments first; then the order
 * of the manifest. A trailing slash does not matter, and `/api/*` also matches `/api`.
 */
export function createRouteTable(functions: readonly FunctionResource[]): RouteTable {
  const tree = createPatternTree<Candidate>();
  const order = functions
    .map((resource, index) => ({ resource, index, shape: shapeOf(resource) }))
    .toSorted(
      (a, b) => a.shape.kind - b.shape.kind || b.shape.literals - a.shape.literals || a.index - b.index,
    );
  for (const [rank, { resource, shape }] of order.entries()) tree.add(shape, { resource, rank });
  return { match: (path, method) => pick(tree.collect(segmentsOf(path)), method) };
}

type Shape = Pattern & { kind: number; literals: number };

function shapeOf(resource: FunctionResource): Shape {
  const written = splitPattern(resource.urlPath);
  // Origan's flag: the function answers everything below its path, too.
  const hasWildcard = written.hasWildcard || resource.wildcard === true;
  const segments = withoutTrailingSlash(written.segments);
  const literals = segments.filter((segment) => !isParam(segment)).length;
  return {
    segments,
    hasWildcard,
    literals,
    kind: hasWildcard ? 2 : literals < segments.length ? 1 : 0,
  };
}

function pick(candidates: readonly Candidate[], method: string): FunctionMatch {
  let best: Candidate | undefined;
  for (const candidate of candidates) {
    if (answers(candidate.resource, method) && (best === undefined || candidate.rank < best.rank))
      best = candidate;
  }
  if (best !== undefined) return { kind: 'match', resource: best.resource };
  if (candidates.length === 0) return { kind: 'none' };
  return { kind: 'wrong-method', allowed: allowedBy(candidates) };
}

/** For Allow (RFC 9110 section 10.2.1): HEAD is answered where GET is. */
function allowedBy(candidates: readonly Candidate[]): string[] {
  const methods = candidates.flatMap(({ resource }) => methodsOf(resource));
  return [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
}

function answers(resource: FunctionResource, method: string): boolean {
  const methods = methodsOf(resource);
  return methods.length === 0 || methods.includes(method) || (method === 'HEAD' && methods.includes('GET'));
}

function methodsOf(resource: FunctionResource): string[] {
  return (resource.methods ?? []).map((method) => method.toUpperCase());
}

function segmentsOf(path: string): readonly string[] {
  return withoutTrailingSlash(splitPath(path));
}

function withoutTrailingSlash(segments: readonly string[]): readonly string[] {
  return segments.at(-1) === '' ? segments.slice(0, -1) : segments;
}
