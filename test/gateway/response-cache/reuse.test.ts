import { describe, expect, test } from 'vitest';
import { parseRequestDirectives } from '../../../gateway/response-cache/cache-control.ts';
import { isUsableOnError, reuseOf } from '../../../gateway/response-cache/reuse.ts';

const STORED = {
  initialAgeMs: 0,
  receivedAtMs: 0,
  lifetimeMs: 60_000,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  isNoCache: false,
  isNeverStale: false,
  isStaleOnlyIfAllowed: false,
};

type Stored = typeof STORED;
type Row = [what: string, stored: Partial<Stored>, request: string, ageS: number, expected: string];

describe('whether a stored response is used without asking', () => {
  test.each<Row>([
    ['younger than its lifetime', {}, '', 59, 'fresh 1'],
    ['as old as its lifetime', {}, '', 60, 'validate stale 0'],
    ['an age that it had before', { initialAgeMs: 30_000 }, '', 29, 'fresh 1'],
    ['no-cache', { isNoCache: true }, '', 1, 'validate no-cache 59'],
    ['no-cache asked', {}, 'no-cache', 1, 'validate request 59'],
    ['no-store asked: that is about storing', {}, 'no-store', 1, 'fresh 59'],
    ['max-age asked, younger', {}, 'max-age=10', 10, 'fresh 50'],
    ['max-age asked, older', {}, 'max-age=10', 11, 'validate request 49'],
    ['max-age asked, older within max-stale', {}, 'max-age=10, max-stale=5', 15, 'fresh 45'],
    ['min-fresh asked, fresh long enough', {}, 'min-fresh=10', 50, 'fresh 10'],
    ['min-fresh asked, not fresh long enough', {}, 'min-fresh=10', 51, 'validate request 9'],
    ['max-stale asked, within', {}, 'max-stale=10', 70, 'stale max-stale -10'],
    ['max-stale asked, past', {}, 'max-stale=10', 71, 'validate stale -11'],
    ['max-stale without a limit', {}, 'max-stale', 9999, 'stale max-stale -9939'],
    ['max-stale, must-revalidate', { isNeverStale: true }, 'max-stale', 61, 'validate stale -1'],
    ['max-stale, s-maxage', { isStaleOnlyIfAllowed: true }, 'max-stale', 61, 'validate stale -1'],
    ['swr within', { staleWhileRevalidateMs: 10_000 }, '', 70, 'stale swr -10'],
    ['swr past', { staleWhileRevalidateMs: 10_000 }, '', 71, 'validate stale -11'],
    [
      'swr, must-revalidate',
      { staleWhileRevalidateMs: 10_000, isNeverStale: true },
      '',
      61,
      'validate stale -1',
    ],
    ['swr, s-maxage', { staleWhileRevalidateMs: 10_000, isStaleOnlyIfAllowed: true }, '', 61, 'stale swr -1'],
    [
      'swr, but the request wants it young',
      { staleWhileRevalidateMs: 10_000 },
      'max-age=5',
      61,
      'validate request -1',
    ],
  ])('%s', (_what, ...[stored, request, ageS, expected]) => {
    const reuse = reuseOf({ ...STORED, ...stored }, parseRequestDirectives(request, undefined), {
      nowMs: ageS * 1000,
      isSoftPurged: false,
    });
    const detail = reuse.kind === 'stale' ? ` ${reuse.by}` : reuse.kind === 'validate' ? ` ${reuse.why}` : '';
    expect(`${reuse.kind}${detail} ${reuse.ttlMs / 1000}`).toBe(expected);
  });

  test('a soft purge makes stale at once', () => {
    const at = { nowMs: 1000, isSoftPurged: true };
    const nothing = parseRequestDirectives('', undefined);
    expect(reuseOf(STORED, nothing, at)).toEqual({ kind: 'validate', why: 'stale', ttlMs: 0 });
    const swr = { ...STORED, staleWhileRevalidateMs: 1000 };
    expect(reuseOf(swr, nothing, at)).toEqual({ kind: 'stale', by: 'swr', ttlMs: 0 });
    expect(reuseOf(STORED, parseRequestDirectives('max-stale', undefined), at).kind).toBe('validate');
  });
});

describe('whether it may stand in for a failure', () => {
  test.each<[string, Partial<Stored>, string, number, [safe: boolean, rfcCutOff: boolean]]>([
    ['nothing allows it', {}, '', 61, [false, true]],
    ['stale-if-error within', { staleIfErrorMs: 10_000 }, '', 70, [true, true]],
    ['stale-if-error past', { staleIfErrorMs: 10_000 }, '', 71, [false, true]],
    ['the request allows it', {}, 'stale-if-error=10', 70, [true, true]],
    ['no-cache', { staleIfErrorMs: 10_000, isNoCache: true }, '', 61, [false, false]],
    ['no-cache asked', { staleIfErrorMs: 10_000 }, 'no-cache', 61, [false, false]],
    ['must-revalidate', { staleIfErrorMs: 10_000, isNeverStale: true }, '', 61, [false, false]],
    ['s-maxage', { isStaleOnlyIfAllowed: true }, '', 61, [false, false]],
    ['still fresh, whatever the request wants', {}, 'max-age=0', 30, [true, true]],
  ])('%s', (_what, ...[stored, request, ageS, expected]) => {
    const usable = (profile: 'safe' | 'rfc', failure: 'unreachable' | 'error-status'): boolean =>
      isUsableOnError({ ...STORED, ...stored }, parseRequestDirectives(request, undefined), {
        nowMs: ageS * 1000,
        failure,
        profile,
      });
    expect([usable('safe', 'unreachable'), usable('rfc', 'unreachable')]).toEqual(expected);
    // An error status is an answer: it does not cut off.
    expect([usable('safe', 'error-status'), usable('rfc', 'error-status')]).toEqual([
      expected[0],
      expected[0],
    ]);
  });
});
