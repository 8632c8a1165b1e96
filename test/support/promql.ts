import { parser } from '@prometheus-io/lezer-promql';

type SyntaxNode = ReturnType<typeof parser.parse>['topNode'];

export type Matcher = { label: string; operator: string; value: string };
/** One series selector of an expression. */
export type Selector = { name: string; matchers: Matcher[]; hasRange: boolean; from: number; to: number };
/** `by (…)` or `on (…)`, with the selectors that it is about. */
export type Grouping = { labels: string[]; selectors: Selector[] };
export type Query = { selectors: Selector[]; groupings: Grouping[] };

/** An expression of Prometheus, by its own grammar. @throws where it is none. */
export function parseQuery(text: string): Query {
  const selectors: Selector[] = [];
  const scopes: { labels: string[]; scope: SyntaxNode }[] = [];
  parser.parse(text).iterate({
    enter: ({ node }) => {
      if (node.type.isError) throw new Error(`no expression from position ${node.from} on: ${text}`);
      if (node.name === 'VectorSelector') selectors.push(readSelector(node, text));
      if (node.name === 'GroupingLabels') scopes.push(readGrouping(node, text));
    },
  });
  const groupings = scopes.map(({ labels, scope }) => ({
    labels,
    selectors: selectors.filter(({ from, to }) => from >= scope.from && to <= scope.to),
  }));
  return { selectors, groupings };
}

function readSelector(node: SyntaxNode, text: string): Selector {
  const matchers = node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? [];
  return {
    name: textOf(node.getChild('Identifier'), text),
    matchers: matchers.map((matcher) => ({
      label: textOf(matcher.getChild('LabelName'), text),
      operator: textOf(matcher.getChild('MatchOp'), text),
      value: textOf(matcher.getChild('StringLiteral'), text).slice(1, -1),
    })),
    hasRange: node.parent?.name === 'MatrixSelector',
    from: node.from,
    to: node.to,
  };
}

/** The labels stand in a modifier, the modifier in the aggregation or operation that it is about. */
function readGrouping(node: SyntaxNode, text: string): { labels: string[]; scope: SyntaxNode } {
  const labels = node.getChildren('LabelName').map((label) => textOf(label, text));
  const scope = node.parent?.parent;
  if (!scope) throw new Error(`labels that belong to nothing: ${text}`);
  return { labels, scope };
}

function textOf(node: SyntaxNode | null, text: string): string {
  return node === null ? '' : text.slice(node.from, node.to);
}
