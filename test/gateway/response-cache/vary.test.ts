import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, test } from 'vitest';
import { isLanguageWanted, variantKey, varyNamesOf } from '../../../gateway/response-cache/vary.ts';
import type { HeaderList } from '../../../runner-client/runner-client.ts';

function key(
  names: readonly string[],
  headers: IncomingHttpHeaders,
  profile: 'safe' | 'rfc' = 'safe',
): string {
  return variantKey(names, { headers, profile, digest: () => 'digest' });
}

describe('names', () => {
  test.each<[HeaderList, readonly string[] | '*']>([
    [[], []],
    [[['Vary', '']], []],
    [[['Vary', 'Foo, bar,,FOO']], ['bar', 'foo']],
    [
      [
        ['Vary', 'Foo'],
        ['Vary', 'Bar'],
      ],
      ['bar', 'foo'],
    ],
    [[['Vary', '*']], '*'],
    [[['Vary', ', *']], '*'],
    [[['Vary', 'Foo, *']], '*'],
    [
      [
        ['Vary', ''],
        ['Vary', '*'],
      ],
      '*',
    ],
    // What a response depends on without saying so.
    [[['Content-Encoding', 'br']], ['accept-encoding']],
    [[['Access-Control-Allow-Origin', 'https://a.example']], ['origin']],
    [[['Access-Control-Allow-Origin', '*']], []],
  ])('%j', (headers, expected) => {
    expect(varyNamesOf(headers)).toEqual(expected);
  });
});

describe('values that mean the same', () => {
  test.each<[string, string, string, [safe: boolean, rfc: boolean]]>([
    ['foo', '1,2', ' 1, 2 ', [true, true]],
    ['foo', '1, 2', '2, 1', [false, false]],
    ['foo', 'a', 'A', [false, false]],
    ['foo', '"a,  b"', '"a, b"', [false, false]],
    ['accept-encoding', 'gzip, br', 'br,GZIP;q=1.0', [true, true]],
    ['accept-encoding', 'gzip, br;q=0.5', 'gzip;q=0.5, br', [false, false]],
    ['accept-language', 'en, de', 'eN ,   De', [true, true]],
    // The order of equal weights is meaningless by RFC 9110, yet some applications go by it.
    ['accept-language', 'en, de', 'de, en', [false, true]],
    ['accept-language', 'en, de;q=0.5', 'de;q=0.50, en', [false, true]],
  ])('%s: %s and %s', (name, one, other, expected) => {
    const same = (profile: 'safe' | 'rfc'): boolean =>
      key([name], { [name]: one }, profile) === key([name], { [name]: other }, profile);
    expect([same('safe'), same('rfc')]).toEqual(expected);
  });

  test('absent is not empty, and values do not run into each other', () => {
    expect(key(['a'], {}, 'safe')).not.toBe(key(['a'], { a: '' }, 'safe'));
    expect(key(['a', 'b'], { a: '1' }, 'safe')).not.toBe(key(['a', 'b'], { b: '1' }, 'safe'));
  });
});

describe('the language a request wants most', () => {
  test.each<[string | undefined, unknown, boolean]>([
    ['de', 'fr;q=0.5, de;q=1.0', true],
    ['DE', 'de', true],
    ['de', 'fr, de', false],
    ['de', 'fr, de;q=0.5', false],
    ['de, fr', 'de', false],
    ['de', 'de;q=0', false],
    [undefined, 'de', false],
    ['de', undefined, false],
  ])('stored %s, wanted %s', (stored, wanted, expected) => {
    expect(isLanguageWanted(stored, wanted)).toBe(expected);
  });
});
