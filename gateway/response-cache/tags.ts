import type { HeaderList } from '../../runner-client/runner-client.ts';
import { linesOf } from '../header-fields.ts';

const MAX_TAGS = 64;
const MAX_TAG_BYTES = 16 * 1024;
const MAX_TAG_LENGTH = 1024;
const VISIBLE = /^[\x21-\x7e]+$/;

/**
 * Tags of a response: `Cache-Tag` separated by commas, `Surrogate-Key` by spaces. Compared as they are. Those past the
 * limits are told apart, because a response that cannot carry all its tags could not be purged by them.
 */
export function tagsOf(headers: HeaderList): { tags: string[]; isTooMany: boolean } {
  const commas = linesOf(headers, 'cache-tag').flatMap((line) => line.split(','));
  const spaces = linesOf(headers, 'surrogate-key').flatMap((line) => line.split(/[ \t]+/));
  const named = [...new Set([...commas, ...spaces].map((tag) => tag.trim()).filter((tag) => tag !== ''))];
  const tags = named.filter((tag) => VISIBLE.test(tag) && tag.length <= MAX_TAG_LENGTH);
  const bytes = tags.reduce((sum, tag) => sum + tag.length, 0);
  const isTooMany = tags.length < named.length || tags.length > MAX_TAGS || bytes > MAX_TAG_BYTES;
  return { tags: isTooMany ? [] : tags, isTooMany };
}
