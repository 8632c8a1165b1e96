import { describe, expect, test } from 'vitest';
import { currentAgeMs, initialAgeMs, parseAge } from '../../../gateway/response-cache/age.ts';
import { policyOf } from '../../../gateway/response-cache/cache-policy.ts';
import { freshnessOf, type Profile } from '../../../gateway/response-cache/freshness.ts';
import type { HeaderList } from '../../../runner-client/runner-client.ts';

const NOW = Date.UTC(2026, 0, 15, 12, 0, 0);
const DAY_S = 86_400;
const date = (offsetS: number): string => new Date(NOW + offsetS * 1000).toUTCString();

describe('Age (RFC 9111 sections 4.2.3 and 5.1)', () => {
  test.each<[string[], number]>([
    [[], 0],
    [['30'], 30],
    [['7200, 0'], 7200],
    [['0,7200'], 0],
    [['7200', '0'], 7200],
    [['0', '7200'], 0],
    [['2147483649'], 2_147_483_648],
    [['99999999999999999999'], 2_147_483_648],
    // What does not parse is ignored.
    [['abc'], 0],
    [['-7200'], 0],
    [['7200.0'], 0],
    [['7200;foo=bar'], 0],
    [['abc, 7200'], 0],
  ])('Age %j', (lines, expected) => {
    expect(parseAge(lines.map((line) => ['Age', line]))).toBe(expected);
  });

  test.each<[string, HeaderList, number, number]>([
    ['nothing said', [], 0, 0],
    ['the delay of the call', [], 1500, 1500],
    ['a Date in the past', [['Date', date(-100)]], 0, 100_000],
    ['a Date ahead of our clock', [['Date', date(100)]], 0, 0],
    ['a Date that is none', [['Date', 'foo']], 0, 0],
    [
      'the larger of Date and Age',
      [
        ['Date', date(-100)],
        ['Age', '30'],
      ],
      0,
      100_000,
    ],
    [
      'the larger of Age and Date',
      [
        ['Date', date(-10)],
        ['Age', '30'],
      ],
      500,
      30_500,
    ],
  ])('initial age: %s', (_name, headers, delayMs, expected) => {
    expect(initialAgeMs(headers, { requestedAtMs: NOW - delayMs, receivedAtMs: NOW })).toBe(expected);
  });

  test('grows while stored, never shrinks when a clock is set back', () => {
    const stored = { initialAgeMs: 5000, receivedAtMs: NOW };
    expect(currentAgeMs(stored, NOW + 1000)).toBe(6000);
    expect(currentAgeMs(stored, NOW - 1000)).toBe(5000);
  });
});

describe('freshness lifetime (RFC 9111 section 4.2)', () => {
  const lifetimeS = (headers: HeaderList, profile: Profile = 'rfc', status = 200): number =>
    freshnessOf({ status, headers, receivedAtMs: NOW }, policyOf(headers), profile).lifetimeMs / 1000;

  test.each<[string, HeaderList, number]>([
    ['max-age', [['Cache-Control', 'max-age=60']], 60],
    ['s-maxage before max-age', [['Cache-Control', 'max-age=60, s-maxage=5']], 5],
    [
      'max-age before Expires',
      [
        ['Cache-Control', 'max-age=60'],
        ['Expires', date(-10)],
      ],
      60,
    ],
    [
      'an invalid max-age is stale',
      [
        ['Cache-Control', 'max-age=x'],
        ['Expires', date(100)],
      ],
      0,
    ],
    [
      'Expires less Date',
      [
        ['Expires', date(90)],
        ['Date', date(-10)],
      ],
      100,
    ],
    ['Expires without Date', [['Expires', date(90)]], 90],
    [
      'Expires with a Date that is none',
      [
        ['Expires', date(90)],
        ['Date', 'foo'],
      ],
      90,
    ],
    [
      'Expires before Date',
      [
        ['Expires', date(300)],
        ['Date', date(400)],
      ],
      0,
    ],
    ['Expires: 0', [['Expires', '0']], 0],
    [
      'the first of two Expires',
      [
        ['Expires', date(90)],
        ['Expires', date(900)],
      ],
      90,
    ],
    [
      'a targeted field silences Expires',
      [
        ['CDN-Cache-Control', 'foo'],
        ['Expires', date(90)],
      ],
      0,
    ],
    [
      'a tenth of the age by Last-Modified',
      [
        ['Last-Modified', date(-1000)],
        ['Date', date(0)],
      ],
      100,
    ],
    ['at most a day', [['Last-Modified', date(-100 * DAY_S)]], DAY_S],
    ['Last-Modified in the future', [['Last-Modified', date(1000)]], 0],
    ['nothing at all', [], 0],
  ])('%s', (_name, headers, expected) => {
    expect(lifetimeS(headers)).toBe(expected);
  });

  test('only the rfc profile guesses, and only for statuses that allow it', () => {
    const headers: HeaderList = [['Last-Modified', date(-1000)]];
    expect(lifetimeS(headers, 'safe')).toBe(0);
    for (const status of [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
      expect(lifetimeS(headers, 'rfc', status)).toBe(100);
    for (const status of [201, 202, 302, 303, 307, 400, 403, 500, 502, 503, 504, 599])
      expect(lifetimeS(headers, 'rfc', status)).toBe(0);
    expect(lifetimeS([...headers, ['Cache-Control', 'public']], 'rfc', 599)).toBe(100);
  });
});
