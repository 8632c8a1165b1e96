import { describe, expect, test } from 'vitest';
import { hashedAddress, sortedQuery, tagOfUrl, withoutIgnored } from '../../../cache/url-tag.ts';
import { primaryKey } from '../../../gateway/response-cache/cache-key.ts';

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
    expect(hashedAddress(keyOf({ search: '?email=a@b.c' }))).toMatch(/^[\w-]{32}$/);
  });
});

describe('the tag of an address', () => {
  const tagFor = (path: string, search = ''): string => tagOfUrl('a.example', path, search, ['utm_*']);

  test('is one for all spellings that share a key, another for every other address', () => {
    expect(tagFor('/caf%c3%a9', '?b=1&a=2&utm_x=3')).toBe(tagFor('/caf%C3%A9', '?a=2&b=1'));
    expect(tagOfUrl('b.example', '/caf%C3%A9', '', [])).not.toBe(tagFor('/caf%C3%A9'));
    expect(tagFor('/cafe')).not.toBe(tagFor('/cafe/'));
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
