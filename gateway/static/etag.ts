import type { Coding } from './negotiate.ts';

/** An entity tag as RFC 9110 section 8.8.3 writes it, quotes included; weak ones keep their `W/`. */
export type EntityTag = string;

const SUFFIXES: Readonly<Record<Coding, string>> = { br: '-br', zstd: '-zst', gzip: '-gz', identity: '' };
// 128 bits of the hash: enough that two contents of one URL never share a tag.
const HASH_CHARACTERS = 32;

/** The strong tag of one form of a content: each encoding has its own (RFC 9110 section 8.8.3.3). */
export function entityTag(hash: string, coding: Coding): EntityTag {
  return `"${hash.slice(0, HASH_CHARACTERS)}${SUFFIXES[coding]}"`;
}

const TAG = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/.source;
const LIST = new RegExp(`^(?:[ \\t]*,)*[ \\t]*${TAG}(?:[ \\t]*,[ \\t]*(?:${TAG})?)*[ \\t]*$`);
const EACH = new RegExp(TAG, 'g');

/** The tags of If-Match or If-None-Match; none when the field is malformed. `*` is answered as it is. */
export function parseTags(field: string): EntityTag[] | '*' {
  if (field.trim() === '*') return '*';
  return LIST.test(field) ? (field.match(EACH) ?? []) : [];
}

/** RFC 9110 section 8.8.3.2: both strong and alike. `undefined` stands for a representation without a tag. */
export function matchesStrongly(field: string, tag: EntityTag | undefined): boolean {
  const tags = parseTags(field);
  return tags === '*' || (tag !== undefined && !tag.startsWith('W/') && tags.includes(tag));
}

/** RFC 9110 section 8.8.3.2: alike, whether weak or not. */
export function matchesWeakly(field: string, tag: EntityTag | undefined): boolean {
  const tags = parseTags(field);
  if (tags === '*') return true;
  return tag !== undefined && tags.some((each) => opaque(each) === opaque(tag));
}

function opaque(tag: EntityTag): string {
  return tag.startsWith('W/') ? tag.slice(2) : tag;
}
