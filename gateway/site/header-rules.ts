import { whyRefusedHeaderName, whyRefusedHeaderValue } from '../../contracts/header-names.ts';
import type { HeaderRule } from '../../contracts/manifest.ts';
import { createPatternTree, splitPath, splitPattern } from './pattern-tree.ts';

/** What one rule does to the headers of an answer. */
export type HeaderEdit = {
  set: readonly (readonly [name: string, value: string])[];
  /** Lower-case names. */
  remove: readonly string[];
};

export type HeaderRules = {
  /** The edits that apply to a path, in the order in which the site wrote them. */
  editsFor(path: string): HeaderEdit[];
};

/** Names that hold one value each: of several rules the last one wins. Others are appended to. */
const SINGLE_VALUED: ReadonlySet<string> = new Set([
  'content-type',
  'content-disposition',
  'content-location',
]);
/** Rules may add to them but not take them away: caches in front rely on them. */
const NOT_REMOVABLE: ReadonlySet<string> = new Set(['content-type', 'vary']);

/** What describes a redirect, an answer to OPTIONS or an error. */
const OWN_CONTENT: ReadonlySet<string> = new Set([
  'allow',
  'content-disposition',
  'content-language',
  'content-location',
  'content-type',
  'location',
  'retry-after',
]);

/** Files header rules in a tree, once per deployment. A name or value that may not be sent is left out. */
export function compileHeaderRules(rules: readonly HeaderRule[]): HeaderRules {
  const tree = createPatternTree<{ index: number; edit: HeaderEdit }>();
  for (const [index, rule] of rules.entries()) {
    tree.add(splitPattern(rule.for), { index, edit: toEdit(rule.set, rule.remove) });
  }
  if (rules.length === 0) return { editsFor: () => [] };
  return {
    editsFor: (path) =>
      tree
        .collect(splitPath(path))
        .toSorted((a, b) => a.index - b.index)
        .map(({ edit }) => edit),
  };
}

/** An edit without what rules may not touch; values as the bytes that the site's author wrote (UTF-8). */
export function toEdit(
  set: readonly (readonly [string, string])[],
  remove: readonly string[] = [],
): HeaderEdit {
  return {
    set: set
      .map(([name, value]): [string, string] => [name, asBytes(value.trim())])
      .filter(
        ([name, value]) =>
          whyRefusedHeaderName(name) === undefined && whyRefusedHeaderValue(value) === undefined,
      ),
    remove: remove
      .map((name) => name.toLowerCase())
      .filter((name) => whyRefusedHeaderName(name) === undefined && !NOT_REMOVABLE.has(name)),
  };
}

/** What an edit does beside caching: of what stands in for something else, the edge alone says how long it is kept. */
export function withoutCaching(edit: HeaderEdit): HeaderEdit {
  return withoutNames(edit, isCachingName);
}

/** What an edit does to the frame of an answer whose content is the edge's own: all but what says what it is. */
export function withoutContent(edit: HeaderEdit): HeaderEdit {
  return withoutNames(edit, (lower) => isCachingName(lower) || OWN_CONTENT.has(lower));
}

/** One header of an answer in the making. A default gives way to the first rule that sets its name. */
export type Field = { name: string; value: string; isDefault: boolean };

/** Applies edits in order: removes first, then sets; the same name appends (RFC 9110 section 5.3). */
export function applyEdits(defaults: readonly Field[], edits: readonly HeaderEdit[]): Field[] {
  let fields = [...defaults];
  for (const { set, remove } of edits) {
    if (remove.length > 0) fields = fields.filter(({ name }) => !remove.includes(name.toLowerCase()));
    for (const [name, value] of set) fields = withField(fields, name, value);
  }
  return fields;
}

function withoutNames({ set, remove }: HeaderEdit, isLeftOut: (lower: string) => boolean): HeaderEdit {
  return {
    set: set.filter(([name]) => !isLeftOut(name.toLowerCase())),
    remove: remove.filter((name) => !isLeftOut(name)),
  };
}

/** Cache-Control, its targeted forms (RFC 9213), and what older caches go by. */
function isCachingName(lower: string): boolean {
  return (
    lower.endsWith('cache-control') ||
    lower === 'expires' ||
    lower === 'pragma' ||
    lower === 'surrogate-control'
  );
}

function withField(fields: readonly Field[], name: string, value: string): Field[] {
  const lower = name.toLowerCase();
  const index = fields.findIndex((field) => field.name.toLowerCase() === lower);
  const known = fields[index];
  const made = { name, value, isDefault: false };
  // Several Set-Cookie cannot be combined into one (RFC 6265 section 3).
  if (known === undefined || lower === 'set-cookie') return [...fields, made];
  if (lower === 'vary') return fields.with(index, { ...known, value: mergeLists(known.value, value) });
  if (known.isDefault || SINGLE_VALUED.has(lower)) {
    // A function may have sent several lines of the name: all of them give way.
    return fields.with(index, made).filter((field) => field === made || field.name.toLowerCase() !== lower);
  }
  return fields.with(index, { ...known, value: `${known.value}, ${value}` });
}

/** Members of two lists, each once, whatever its case. */
export function mergeLists(first: string, second: string): string {
  const members = new Map<string, string>();
  for (const member of `${first},${second}`.split(',').map((each) => each.trim())) {
    const key = member.toLowerCase();
    if (member !== '' && !members.has(key)) members.set(key, member);
  }
  return [...members.values()].join(', ');
}

function asBytes(text: string): string {
  return /^[\x20-\x7e\t]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}
