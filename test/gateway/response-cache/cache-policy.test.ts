import { expect, test } from 'vitest';
import { policyOf } from '../../../gateway/response-cache/cache-policy.ts';
import type { HeaderList } from '../../../runner-client/runner-client.ts';

const CC: [string, string] = ['Cache-Control', 'max-age=1'];

test.each<[string, HeaderList, object, boolean]>([
  ['Cache-Control alone', [CC], { maxAgeS: 1 }, false],
  ['the CDN field before Cache-Control', [CC, ['CDN-Cache-Control', 'max-age=60']], { maxAgeS: 60 }, true],
  [
    'our own field before the CDN field',
    [
      ['CDN-Cache-Control', 'max-age=60'],
      ['Origan-CDN-Cache-Control', 'max-age=70'],
    ],
    { maxAgeS: 70 },
    true,
  ],
  [
    'a targeted field alone, whatever else is said',
    [
      ['Cache-Control', 'no-store'],
      ['CDN-Cache-Control', 'foo'],
    ],
    { isNoStore: false, maxAgeS: undefined },
    true,
  ],
  [
    'lines combined',
    [
      ['CDN-Cache-Control', 'max-age=60'],
      ['CDN-Cache-Control', 'no-cache'],
    ],
    { maxAgeS: 60, noCache: true },
    true,
  ],
  ['the last of two members', [['CDN-Cache-Control', 'max-age=60, max-age=70']], { maxAgeS: 70 }, true],
  ['an empty field as absent', [CC, ['CDN-Cache-Control', '']], { maxAgeS: 1 }, false],
  [
    'one that does not parse as absent',
    [CC, ['CDN-Cache-Control', 'max-age=60, &&&']],
    { maxAgeS: 1 },
    false,
  ],
  [
    'capitals in a name as no structured field',
    [CC, ['CDN-Cache-Control', 'MaX-aGe=60']],
    { maxAgeS: 1 },
    false,
  ],
  [
    'a space before = as no structured field',
    [CC, ['CDN-Cache-Control', 'max-age =60']],
    { maxAgeS: 1 },
    false,
  ],
  [
    'a broken first field, then the second',
    [
      ['Origan-CDN-Cache-Control', '"'],
      ['CDN-Cache-Control', 'max-age=60'],
    ],
    { maxAgeS: 60 },
    true,
  ],
  [
    'a member of the wrong type as absent',
    [CC, ['CDN-Cache-Control', 'max-age="60"']],
    { maxAgeS: undefined },
    true,
  ],
  ['a negative integer as absent', [['CDN-Cache-Control', 'max-age=-1']], { maxAgeS: undefined }, true],
  [
    '?0 as not said',
    [['CDN-Cache-Control', 'no-store=?0, public']],
    { isNoStore: false, isPublic: true },
    true,
  ],
  [
    'what forbids as said, whatever its value',
    [['CDN-Cache-Control', 'max-age=60, private=("a" "b"), no-cache=a, no-store=1, must-revalidate="x"']],
    { isPrivate: true, noCache: true, isNoStore: true, isMustRevalidate: true },
    true,
  ],
  [
    'what forbids as not said, where that is said',
    [['CDN-Cache-Control', 'max-age=60, private=?0, no-cache=?0, must-revalidate=?0']],
    { isPrivate: false, noCache: false, isMustRevalidate: false },
    true,
  ],
  [
    'parameters ignored',
    [['CDN-Cache-Control', 'max-age=60;x=1, no-store;y']],
    { maxAgeS: 60, isNoStore: true },
    true,
  ],
  [
    'fields in a string',
    [['CDN-Cache-Control', 'no-cache="a, b", private="c"']],
    { noCache: ['a', 'b'], isPrivate: ['c'] },
    true,
  ],
  ['large numbers', [['CDN-Cache-Control', 'max-age=99999999999']], { maxAgeS: 2_147_483_648 }, true],
  [
    'RFC 5861',
    [['CDN-Cache-Control', 's-maxage=1, stale-while-revalidate=2, stale-if-error=3']],
    { sMaxageS: 1, staleWhileRevalidateS: 2, staleIfErrorS: 3 },
    true,
  ],
])('%s', (_name, headers, directives, isTargeted) => {
  const policy = policyOf(headers);
  expect(policy.directives).toMatchObject(directives);
  expect(policy.isTargeted).toBe(isTargeted);
});
