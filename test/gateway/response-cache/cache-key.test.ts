import { describe, expect, test } from 'vitest';
import {
  hashedKey,
  primaryKey,
  sortedQuery,
  withoutIgnored,
} from '../../../gateway/response-cache/cache-key.ts';

const PARTS = { deploymentId: 'd1', proto: 'https', host: 'a.example', rawPath: '/p', search: '' };
const keyOf = (parts: Partial<typeof PARTS>): string => primaryKey({ ...PARTS, ...parts }, []);

describe('the primary key', () => {
  test('tells apart whatever a function can see', () => {
    const keys = [
      keyOf({}),
      keyOf({ deploymentId: 'd2' }),
      keyOf({ proto: 'http' }),
      keyOf({ host: 'b.example' }),
      keyOf({ rawPath: '/P' }),
      keyOf({ rawPath: '/p/' }),
      keyOf({ rawPath: '/%70' }),
      keyOf({ rawPath: '/x/../p' }),
      keyOf({ search: '?' }),
      keyOf({ search: '?a' }),
      keyOf({ search: '?a=' }),
      keyOf({ search: '?a=1&a=2' }),
      keyOf({ search: '?a=2&a=1' }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('takes equivalent spellings for one', () => {
    expect(keyOf({ rawPath: '/caf%c3%a9' })).toBe(keyOf({ rawPath: '/caf%C3%A9' }));
    expect(keyOf({ search: '?b=1&a=2&b=3' })).toBe(keyOf({ search: '?a=2&b=1&b=3' }));
  });

  test('hashed, it shows nothing of the address', () => {
    expect(hashedKey(keyOf({ search: '?email=a@b.c' }))).toMatch(/^[\w-]{32}$/);
  });
});

describe('ignored parameters', () => {
  const ignored = ['utm_*', 'fbclid'];

  test('are no part of the key and do not reach the function', () => {
    expect(sortedQuery('?utm_source=x&b=1&fbclid=y&a=2', ignored)).toBe('?a=2&b=1');
    expect(withoutIgnored('?utm_source=x&b=1&fbclid=y&a=2', ignored)).toBe('?b=1&a=2');
    expect(sortedQuery('?utm_source=x', ignored)).toBe('');
    expect(withoutIgnored('?fbclid', ignored)).toBe('');
  });

  test('match whole names, or prefixes where they say so', () => {
    expect(withoutIgnored('?fbclid2=1&utm=2', ignored)).toBe('?fbclid2=1&utm=2');
  });
});
