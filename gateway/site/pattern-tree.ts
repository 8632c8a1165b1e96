/** Values filed under patterns, found by the path in a time that depends on its depth and not on their number. */
export type PatternTree<Value> = {
  add(pattern: Pattern, value: Value): void;
  /** Every value whose pattern matches, in no particular order. */
  collect(segments: readonly string[]): Value[];
};

/** A pattern in parts; `hasWildcard` matches whatever follows the segments, nothing included. */
export type Pattern = { segments: readonly string[]; hasWildcard: boolean };

type Node<Value> = {
  literals: Map<string, Node<Value>>;
  param: Node<Value> | undefined;
  ends: Value[];
  wildcards: Value[];
};

export function createPatternTree<Value>(): PatternTree<Value> {
  const root = newNode<Value>();
  return {
    add: ({ segments, hasWildcard }, value) => {
      let node = root;
      for (const segment of segments) node = childOf(node, segment);
      (hasWildcard ? node.wildcards : node.ends).push(value);
    },
    collect: (segments) => collect(root, segments),
  };
}

/** `/a/:b/*` in parts. */
export function splitPattern(pattern: string): Pattern {
  const segments = splitPath(pattern);
  const hasWildcard = segments.at(-1) === '*';
  return { segments: hasWildcard ? segments.slice(0, -1) : segments, hasWildcard };
}

/** The segments of a path: a trailing slash is an empty last one. */
export function splitPath(path: string): string[] {
  return path.slice(1).split('/');
}

export function isParam(segment: string): boolean {
  return segment.startsWith(':') && segment.length > 1;
}

/** A level holds the nodes reached so far: a literal and a parameter lead on from each. */
function collect<Value>(root: Node<Value>, segments: readonly string[]): Value[] {
  const found = [...root.wildcards];
  let level = [root];
  for (const segment of segments) {
    const next: Node<Value>[] = [];
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

function childOf<Value>(node: Node<Value>, segment: string): Node<Value> {
  if (isParam(segment)) return (node.param ??= newNode());
  const known = node.literals.get(segment);
  if (known !== undefined) return known;
  const made = newNode<Value>();
  node.literals.set(segment, made);
  return made;
}

function newNode<Value>(): Node<Value> {
  return { literals: new Map(), param: undefined, ends: [], wildcards: [] };
}
