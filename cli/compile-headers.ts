import type { HeaderRule } from '../contracts/manifest.ts';
import { whyRefusedHeaderName, whyRefusedHeaderValue } from '../contracts/header-names.ts';
import { decodePattern, whyBadPattern } from '../contracts/path-pattern.ts';

export const MAX_HEADER_RULES = 100;
export const MAX_HEADERS_PER_RULE = 50;

/** A block of `_headers`, or an entry of `origan.json`, before it is checked. */
export type RawHeaderBlock = {
  for: string;
  set: [name: string, value: string][];
  remove: string[];
  where: string;
};

/**
 * Reads `_headers`: a line that is not indented begins a block for a path, indented `Name: value` lines set,
 * indented `! Name` lines remove, `#` begins a comment line.
 */
export function parseHeaderLines(text: string): { raw: RawHeaderBlock[]; errors: string[] } {
  const raw: RawHeaderBlock[] = [];
  const errors: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const where = `_headers line ${index + 1}`;
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    if (/^\S/.test(line)) {
      raw.push({ for: trimmed, set: [], remove: [], where });
      continue;
    }
    const block = raw.at(-1);
    const problem = block === undefined ? 'comes before any path' : addHeaderLine(block, trimmed);
    if (problem !== undefined) errors.push(`${where}: ${problem}`);
  }
  return { raw, errors };
}

/** Header rules as the manifest holds them; every block and name that may not be used is an error. */
export function compileHeaders(raw: readonly RawHeaderBlock[]): { rules: HeaderRule[]; errors: string[] } {
  const errors = raw.flatMap((block) => whyBadBlock(block).map((problem) => `${block.where}: ${problem}`));
  if (raw.length > MAX_HEADER_RULES) {
    errors.push(`${raw.length} header rules; at most ${MAX_HEADER_RULES} are allowed`);
  }
  const rules = raw.map((block): HeaderRule => ({
    for: decodePattern(block.for),
    set: block.set,
    ...(block.remove.length > 0 ? { remove: block.remove } : {}),
  }));
  return { rules, errors };
}

function addHeaderLine(block: RawHeaderBlock, line: string): string | undefined {
  if (line.startsWith('!')) {
    block.remove.push(line.slice(1).trim());
    return undefined;
  }
  const colon = line.indexOf(':');
  if (colon <= 0) return 'must be "Name: value" or "! Name"';
  block.set.push([line.slice(0, colon).trim(), line.slice(colon + 1).trim()]);
  return undefined;
}

function whyBadBlock(block: RawHeaderBlock): string[] {
  const pattern = /^https?:\/\//i.test(block.for)
    ? 'must be a path, not a URL'
    : whyBadPattern(decodePattern(block.for));
  const count = block.set.length + block.remove.length;
  return [
    ...(pattern === undefined ? [] : [`${block.for} ${pattern}`]),
    ...(count === 0 ? [`${block.for} has no headers`] : []),
    ...(count > MAX_HEADERS_PER_RULE
      ? [`${count} headers; at most ${MAX_HEADERS_PER_RULE} are allowed`]
      : []),
    ...[...block.set.map(([name]) => name), ...block.remove].flatMap((name) =>
      problemOf(name, whyRefusedHeaderName),
    ),
    ...block.set.flatMap(([name, value]) => problemOf(value, whyRefusedHeaderValue, `the value of ${name}`)),
  ];
}

function problemOf(text: string, why: (text: string) => string | undefined, label: string = text): string[] {
  const problem = why(text);
  return problem === undefined ? [] : [`${label} ${problem}`];
}
