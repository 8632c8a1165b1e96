import { describe, expect, test } from 'vitest';
import { policyOf } from '../../../gateway/response-cache/cache-policy.ts';
import { freshnessOf, type Profile } from '../../../gateway/response-cache/freshness.ts';
import {
  storeVerdict,
  type StoreVerdict,
  type StoringRequest,
} from '../../../gateway/response-cache/storable.ts';
import type { HeaderList } from '../../../runner-client/runner-client.ts';

const NOW = Date.UTC(2026, 0, 15);
const PLAIN: StoringRequest = { method: 'GET', hasAuthorization: false, isNoStore: false };
const FRESH: [string, string] = ['Cache-Control', 'max-age=60'];
const TAGGED: [string, string] = ['ETag', '"v"'];
const MODIFIED: [string, string] = ['Last-Modified', new Date(NOW - 1_000_000).toUTCString()];
const cc = (value: string): [string, string] => ['Cache-Control', value];

type Case = { status?: number; profile?: Profile; request?: Partial<StoringRequest> };

function verdict(
  headers: HeaderList,
  { status = 200, profile = 'safe', request = {} }: Case = {},
): StoreVerdict {
  const response = { status, headers, requestedAtMs: NOW, receivedAtMs: NOW };
  const policy = policyOf(headers);
  const freshness = freshnessOf(response, policy, profile);
  return storeVerdict({ ...PLAIN, ...request }, response, { policy, freshness, profile });
}

function why(...args: Parameters<typeof verdict>): string {
  const result = verdict(...args);
  return result.kind === 'store' ? 'stored' : result.why;
}

describe('what a response says (RFC 9111 section 3)', () => {
  test.each<[HeaderList, string, string]>([
    [[FRESH], 'stored', 'stored'],
    [[cc('s-maxage=60')], 'stored', 'stored'],
    [[['Expires', new Date(NOW + 9000).toUTCString()]], 'stored', 'stored'],
    [[['CDN-Cache-Control', 'max-age=60']], 'stored', 'stored'],
    [[cc('no-store'), ['CDN-Cache-Control', 'max-age=60']], 'stored', 'stored'],
    [[FRESH, ['CDN-Cache-Control', 'no-store']], 'no-store', 'no-store'],
    [[cc('no-store, max-age=60')], 'no-store', 'no-store'],
    [[cc('private, max-age=60')], 'private', 'private'],
    [[cc('private="x", max-age=60')], 'stored', 'stored'],
    [[FRESH, ['Vary', '*']], 'vary', 'vary'],
    [[FRESH, ['Vary', 'Accept']], 'stored', 'stored'],
    [[FRESH, ['Set-Cookie', 'a=b']], 'set-cookie', 'stored'],
    [[cc('max-age=60, no-cache="set-cookie"'), ['Set-Cookie', 'a=b']], 'stored', 'stored'],
    [
      [
        ['CDN-Cache-Control', 'max-age=60'],
        ['Set-Cookie', 'a=b'],
      ],
      'stored',
      'stored',
    ],
    // Only `rfc` guesses.
    [[], 'no-lifetime', 'no-use'],
    [[TAGGED], 'no-lifetime', 'stored'],
    [[MODIFIED], 'no-lifetime', 'stored'],
    [[cc('public')], 'no-lifetime', 'no-use'],
    [[cc('no-cache'), TAGGED], 'no-lifetime', 'stored'],
    // What can neither be served nor validated is of no use.
    [[cc('max-age=0')], 'no-use', 'no-use'],
    [[cc('max-age=x')], 'no-use', 'no-use'],
    [[cc('max-age=0'), TAGGED], 'stored', 'stored'],
    [[cc('max-age=60, no-cache')], 'no-use', 'no-use'],
    [[cc('max-age=60, no-cache'), TAGGED], 'stored', 'stored'],
    [[cc('s-maxage=0, stale-while-revalidate=60')], 'stored', 'stored'],
    [[cc('max-age=0, stale-if-error=60')], 'stored', 'stored'],
    [[FRESH, ['Age', '60']], 'no-use', 'no-use'],
    [[FRESH, ['Age', '59']], 'stored', 'stored'],
  ])('%j: safe %s, rfc %s', (headers, safe, rfc) => {
    expect([why(headers), why(headers, { profile: 'rfc' })]).toEqual([safe, rfc]);
  });
});

describe('status codes', () => {
  test('any final one with an explicit lifetime, but for answers to a Range or a condition', () => {
    for (const status of [200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 503, 599])
      expect([status, why([FRESH], { status })]).toEqual([status, 'stored']);
    for (const status of [101, 103, 206, 304, 416])
      expect([status, why([FRESH], { status })]).toEqual([status, 'status']);
  });

  test('guessed at only where that is allowed', () => {
    const rfc = { profile: 'rfc' as const };
    expect(why([MODIFIED], { status: 404, ...rfc })).toBe('stored');
    expect(why([MODIFIED], { status: 201, ...rfc })).toBe('no-lifetime');
    expect(why([MODIFIED, cc('public')], { status: 599, ...rfc })).toBe('stored');
  });

  test('must-understand lifts no-store for the known, and keeps the unknown out (section 5.2.2.3)', () => {
    const headers = [cc('max-age=60, no-store, must-understand')];
    expect(why(headers)).toBe('stored');
    expect(why(headers, { status: 599 })).toBe('status');
    expect(why([cc('max-age=60, must-understand')], { status: 599 })).toBe('status');
  });
});

describe('what the request says', () => {
  test.each<[Partial<StoringRequest>, HeaderList, string, string]>([
    [{ method: 'POST' }, [FRESH], 'method', 'method'],
    [{ isNoStore: true }, [FRESH], 'request-no-store', 'request-no-store'],
    // Section 3.5.
    [{ hasAuthorization: true }, [FRESH], 'authorization', 'authorization'],
    [{ hasAuthorization: true }, [cc('public, max-age=60')], 'stored', 'stored'],
    [{ hasAuthorization: true }, [cc('s-maxage=60')], 'stored', 'stored'],
    [{ hasAuthorization: true }, [cc('must-revalidate, max-age=60')], 'stored', 'stored'],
    [{ hasAuthorization: true }, [cc('proxy-revalidate, max-age=60')], 'authorization', 'authorization'],
    [{ hasAuthorization: true }, [['CDN-Cache-Control', 'max-age=60']], 'authorization', 'authorization'],
  ])('%j with %j: safe %s, rfc %s', (request, headers, ...expected) => {
    expect([why(headers, { request }), why(headers, { request, profile: 'rfc' })]).toEqual(expected);
  });
});

test('fields that are not for everybody are not stored', () => {
  const stored = verdict([
    cc('max-age=60, no-cache="a, B", private="c"'),
    ['A', '1'],
    ['b', '2'],
    ['C', '3'],
    ['D', '4'],
  ]);
  const names = stored.kind === 'store' ? stored.headers.map(([name]) => name) : [];
  expect(names).toEqual(['Cache-Control', 'D']);
  const targeted = verdict([
    ['CDN-Cache-Control', 'max-age=60'],
    ['Set-Cookie', 'a=b'],
    ['D', '4'],
  ]);
  expect(targeted).toMatchObject({
    kind: 'store',
    headers: [
      ['CDN-Cache-Control', 'max-age=60'],
      ['D', '4'],
    ],
  });
});
