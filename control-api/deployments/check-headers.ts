import { whyRefusedHeaderName, whyRefusedHeaderValue } from '../../contracts/header-names.ts';
import type { HeaderRule } from '../../contracts/manifest.ts';

const MAX_RULES = 1000;

/** What is wrong with headers that a deployment wants sent. */
export function checkHeaders(headers: readonly (readonly [name: string, value: string])[]): string[] {
  return headers.flatMap(([name, value]) => {
    const problem = whyRefusedHeaderName(name) ?? whyRefusedHeaderValue(value);
    return problem === undefined ? [] : [`the header ${JSON.stringify(name)} ${problem}`];
  });
}

export function checkHeaderRules(rules: readonly HeaderRule[]): string[] {
  const problems = rules.flatMap((rule) => {
    const removals = (rule.remove ?? []).map((name) => [name, ''] as const);
    return checkHeaders([...rule.set, ...removals]).map(
      (problem) => `header rule for ${rule.for}: ${problem}`,
    );
  });
  if (rules.length > MAX_RULES)
    problems.push(`${rules.length} header rules; at most ${MAX_RULES} are allowed`);
  return problems;
}
