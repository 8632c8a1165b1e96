import type { HeaderList } from '../runner-client/runner-client.ts';

/** Field lines of that name (lower case) in the order received. */
export function linesOf(headers: HeaderList, name: string): string[] {
  const lines: string[] = [];
  for (const [each, value] of headers) if (isNamed(each, name)) lines.push(value);
  return lines;
}

/** The lines of a field combined into one value (RFC 9110 section 5.3), or undefined. */
export function fieldOf(headers: HeaderList, name: string): string | undefined {
  const lines = linesOf(headers, name);
  return lines.length === 0 ? undefined : lines.join(', ');
}

/** The first line of a field: what counts where a singleton was sent more than once. */
export function firstLineOf(headers: HeaderList, name: string): string | undefined {
  for (const [each, value] of headers) if (isNamed(each, name)) return value;
  return undefined;
}

export function hasField(headers: HeaderList, name: string): boolean {
  return headers.some(([each]) => isNamed(each, name));
}

/** The headers without the names (lower case) given. */
export function withoutFields(headers: HeaderList, names: ReadonlySet<string>): [string, string][] {
  const kept: [string, string][] = [];
  for (const [name, value] of headers) if (!names.has(name.toLowerCase())) kept.push([name, value]);
  return kept;
}

/** The headers with every line of that name replaced by one, at the end. */
export function withField(headers: HeaderList, name: string, value: string): [string, string][] {
  return [...withoutFields(headers, new Set([name.toLowerCase()])), [name, value]];
}

function isNamed(name: string, wanted: string): boolean {
  return name.length === wanted.length && name.toLowerCase() === wanted;
}
