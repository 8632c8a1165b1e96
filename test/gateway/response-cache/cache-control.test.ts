import { describe, expect, test } from 'vitest';
import {
  parseRequestDirectives,
  parseResponseDirectives,
} from '../../../gateway/response-cache/cache-control.ts';

describe('response directives', () => {
  test.each<[string, object]>([
    ['max-age=60', { maxAgeS: 60 }],
    ['MaX-aGe=60', { maxAgeS: 60 }],
    ['max-age="60"', { maxAgeS: 60 }],
    ['max-age=0060', { maxAgeS: 60 }],
    ['max-age=2147483649', { maxAgeS: 2_147_483_648 }],
    ['max-age=99999999999999999999', { maxAgeS: 2_147_483_648 }],
    [',, foo , max-age=60 ,bar=", max-age=1"', { maxAgeS: 60 }],
    ['extension="max-age=3600", max-age=1', { maxAgeS: 1 }],
    ['extension="a\\", max-age=3600", max-age=1', { maxAgeS: 1 }],
    // The first of several counts.
    ['max-age=1800, max-age=1', { maxAgeS: 1800 }],
    // Invalid is not absent.
    ["max-age='60'", { maxAgeS: 'invalid' }],
    ['max-age=-1', { maxAgeS: 'invalid' }],
    ['max-age=60.5', { maxAgeS: 'invalid' }],
    ['max-age=60a', { maxAgeS: 'invalid' }],
    ['max-age= 60', { maxAgeS: 'invalid' }],
    ['max-age =60', { maxAgeS: 'invalid' }],
    ['max-age', { maxAgeS: 'invalid' }],
    ['max-age=', { maxAgeS: 'invalid' }],
    ['s-maxage=5, max-age=60', { sMaxageS: 5, maxAgeS: 60 }],
    ['No-StOrE', { isNoStore: true }],
    // A quote that is never closed must not hide what follows.
    ['foo="bar, no-store', { isNoStore: true }],
    ['"no-store"', { isNoStore: false }],
    ['no-storex', { isNoStore: false }],
    ['public, must-revalidate', { isPublic: true, isMustRevalidate: true }],
    ['proxy-revalidate, must-understand', { isProxyRevalidate: true, isMustUnderstand: true }],
    ['no-cache', { noCache: true }],
    ['no-cache=""', { noCache: true }],
    ['no-cache="A, b"', { noCache: ['a', 'b'] }],
    ['no-cache=a', { noCache: ['a'] }],
    ['private', { isPrivate: true }],
    ['private="set-cookie"', { isPrivate: ['set-cookie'] }],
    // What any of several forbids is forbidden, in whatever order.
    ['private="a", private, max-age=60', { isPrivate: true }],
    ['private, private="a"', { isPrivate: true }],
    ['private="a", private=""', { isPrivate: true }],
    ['private="a", private="b"', { isPrivate: ['a', 'b'] }],
    ['no-cache="a", max-age=60, no-cache', { noCache: true }],
    ['no-cache="a", no-cache=b', { noCache: ['a', 'b'] }],
    ['private="a, b c"', { isPrivate: true }],
    ['private="a,"', { isPrivate: ['a'] }],
    ['stale-while-revalidate=30, stale-if-error=60', { staleWhileRevalidateS: 30, staleIfErrorS: 60 }],
    ['stale-while-revalidate, stale-if-error=x', { staleWhileRevalidateS: 0, staleIfErrorS: 0 }],
    ['', { maxAgeS: undefined, noCache: false, isPrivate: false, isNoStore: false, isPublic: false }],
  ])('%s', (value, expected) => {
    expect(parseResponseDirectives(value)).toMatchObject(expected);
  });
});

describe('request directives', () => {
  test.each<[string | undefined, string | undefined, object]>([
    ['no-cache', undefined, { isNoCache: true }],
    ['no-store', undefined, { isNoStore: true }],
    ['only-if-cached', undefined, { isOnlyIfCached: true }],
    ['max-age=5, min-fresh=6, max-stale=7', undefined, { maxAgeS: 5, minFreshS: 6, maxStaleS: 7 }],
    ['max-stale', undefined, { maxStaleS: Infinity }],
    ['max-age=x', undefined, { maxAgeS: undefined }],
    ['stale-if-error=9', undefined, { staleIfErrorS: 9 }],
    [undefined, 'no-cache', { isNoCache: true }],
    [undefined, 'No-Cache, foo', { isNoCache: true }],
    [undefined, 'foo', { isNoCache: false }],
    ['nothing', 'no-cache', { isNoCache: false }],
    ['nothing-to-see-here', undefined, { isNoCache: false, isNoStore: false, maxAgeS: undefined }],
  ])('Cache-Control: %s, Pragma: %s', (cacheControl, pragma, expected) => {
    expect(parseRequestDirectives(cacheControl, pragma)).toMatchObject(expected);
  });
});
