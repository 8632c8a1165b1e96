import type { HeaderList } from '../../runner-client/runner-client.ts';
import { firstLineOf } from '../header-fields.ts';

/** Validators as they were sent; what is no entity tag is none. */
export type StoredValidators = { etag: string | undefined; lastModified: string | undefined };

const ENTITY_TAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\u{ffff}]*"$/u;

export function validatorsOf(headers: HeaderList): StoredValidators {
  const etag = firstLineOf(headers, 'etag')?.trim();
  return {
    etag: etag !== undefined && ENTITY_TAG.test(etag) ? etag : undefined,
    lastModified: firstLineOf(headers, 'last-modified'),
  };
}

export function isStrong(etag: string): boolean {
  return !etag.startsWith('W/');
}

/** Weak comparison (RFC 9110 section 8.8.3.2). */
export function isSameTag(a: string, b: string): boolean {
  return opaque(a) === opaque(b);
}

function opaque(etag: string): string {
  return isStrong(etag) ? etag : etag.slice(2);
}
