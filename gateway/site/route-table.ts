import type { FunctionResource } from '../../contracts/manifest.ts';

/** What a path and a method lead to among a site's functions. */
export type FunctionMatch =
  | { kind: 'match'; resource: FunctionResource }
  | { kind: 'wrong-method'; allowed: string[] }
  | { kind: 'none' };

export type RouteTable = { match(path: string, method: string): FunctionMatch };

type Candidate = { resource: FunctionResource; rank: number };
type Node = {
  literals: Map<string, Node>;
  param: Node | undefined;
  /** Routes that end here. */
  ends: Candidate[];
  /** Routes whose `*` begins here: they match whatever follows, nothing included. */
  wildcards: Candidate[];
};

/**
 * Compiles function routes into a tree of segments, so that a request costs its depth and not the number of
 * routes. Most specific first: no parameter, then `:param`, then `*`; more literal segments first; then the order
 * of the manifest. A trailing slash does not matter, and `/api/*` also matches `/api`.
 */
export function createRouteTable(functions: readonly FunctionResource[]): RouteTable {
  const root = newNode();
  const order = functions
    .map((resource, index) => ({ resource, index, shape: shapeOf(resource) }))
    .toSorted(
      (a, b) => a.shape.kind - b.shape.kind || b.shape.literals - a.shape.literals || a.index - b.index,
    );
  for (const [rank, { resource, shape }] of order.entries()) insert(root, shape, { resource, rank });
  return { match: (path, method) => pick(collect(root, segmentsOf(path)), method) };
}

type Shape = { segments: string[]; hasWildcard: boolean; kind: number; literals: number };

function shapeOf(resource: FunctionResource): Shape {
  const segments = segmentsOf(resource.urlPath);
  const hasWildcard = segments.at(-1) === '*';
  const fixed = hasWildcard ? segments.slice(0, -1) : segments;
  const literals = fixed.filter((segment) => !isParam(segment)).length;
  const kind = hasWildcard ? 2 : literals < fixed.length ? 1 : 0;
  // Origan's flag: the function answers everything below its path, too.
  return resource.wildcard === true && !hasWildcard
    ? { segments: fixed, hasWildcard: true, kind: 2, literals }
    : { segments: fixed, hasWildcard, kind, literals };
}

function insert(root: Node, { segments, hasWildcard }: Shape, candidate: Candidate): void {
  let node = root;
  for (const segment of segments) node = childOf(node, segment);
  (hasWildcard ? node.wildcards : node.ends).push(candidate);
}

function childOf(node: Node, segment: string): Node {
  if (isParam(segment)) return (node.param ??= newNode());
  const known = node.literals.get(segment);
  if (known !== undefined) return known;
  const made = newNode();
  node.literals.set(segment, made);
  return made;
}

/** Every route that matches the path: a level holds the nodes reached so far, at most one a branch of the tree. */
function collect(root: Node, segments: readonly string[]): Candidate[] {
  const found: Candidate[] = [...root.wildcards];
  let level: Node[] = [root];
  for (const segment of segments) {
    const next: Node[] = [];
    for (const node of level) {
      const literal = node.literals.get(segment);
      if (literal !== undefined) next.push(literal);
      if (node.param !== undefined && segment !== '') next.push(node.param);
    }
    for (const node of next) found.push(...node.wildcards);
    level = next;
    if (level.length === 0) break;
  }
  for (const node of level) found.push(...node.ends);
  return found;
}

function pick(candidates: Candidate[], method: string): FunctionMatch {
  let best: Candidate | undefined;
  for (const candidate of candidates) {
    if (answers(candidate.resource, method) && (best === undefined || candidate.rank < best.rank))
      best = candidate;
  }
  if (best !== undefined) return { kind: 'match', resource: best.resource };
  if (candidates.length === 0) return { kind: 'none' };
  return {
    kind: 'wrong-method',
    allowed: [...new Set(candidates.flatMap(({ resource }) => methodsOf(resource)))],
  };
}

function answers(resource: FunctionResource, method: string): boolean {
  const methods = methodsOf(resource);
  return methods.length === 0 || methods.includes(method) || (method === 'HEAD' && methods.includes('GET'));
}

function methodsOf(resource: FunctionResource): string[] {
  return (resource.methods ?? []).map((method) => method.toUpperCase());
}

function segmentsOf(path: string): string[] {
  const segments = path.split('/').slice(1);
  if (segments.at(-1) === '') segments.pop();
  return segments;
}

function isParam(segment: string): boolean {
  return segment.startsWith(':') && segment.length > 1;
}

function newNode(): Node {
  return { literals: new Map(), param: undefined, ends: [], wildcards: [] };
}
