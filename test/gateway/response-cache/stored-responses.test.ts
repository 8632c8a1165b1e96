import { describe, expect, test } from 'vitest';
import { policyOf } from '../../../gateway/response-cache/cache-policy.ts';
import { cacheStatusOf } from '../../../gateway/response-cache/cache-status.ts';
import { freshnessOf } from '../../../gateway/response-cache/freshness.ts';
import { fieldOf } from '../../../gateway/header-fields.ts';
import {
  groupsOf,
  invalidatedTargets,
  isInvalidating,
  isOwnLocation,
} from '../../../gateway/response-cache/invalidation.ts';
import { HitForMiss } from '../../../gateway/response-cache/hit-for-miss.ts';
import { KnownVary } from '../../../gateway/response-cache/known-vary.ts';
import { MemoryTier, mostRecent, select } from '../../../gateway/response-cache/memory-tier.ts';
import { speaksToCaches, withoutOverrides } from '../../../gateway/response-cache/request-headers.ts';
import {
  decodeIndex,
  decodeStored,
  encodeIndex,
  encodeStored,
} from '../../../gateway/response-cache/stored-codec.ts';
import { toStored, type StoredResponse } from '../../../gateway/response-cache/stored-response.ts';
import { tagsOf } from '../../../gateway/response-cache/tags.ts';
import {
  conditionsFor,
  describesSame,
  isAbout,
  mergedHeaders,
} from '../../../gateway/response-cache/validation.ts';
import { varyNamesOf, type Selecting } from '../../../gateway/response-cache/vary.ts';
import type { HeaderList } from '../../../runner-client/runner-client.ts';

const NOW = Date.UTC(2026, 0, 15);

function stored(headers: HeaderList, { body = 'body', variant = '', atMs = NOW } = {}): StoredResponse {
  const policy = policyOf(headers);
  return toStored({
    status: 200,
    received: headers,
    headers,
    body: Buffer.from(body),
    policy,
    freshness: freshnessOf({ status: 200, headers, receivedAtMs: atMs }, policy, 'safe'),
    varyNames: varyNamesOf(headers) as readonly string[],
    variant,
    markers: { projectId: 'p', tags: ['a'], versions: ['1.1'] },
    requestedAtMs: atMs,
    receivedAtMs: atMs,
  });
}

const selecting = (headers: Selecting['headers']): Selecting => ({
  headers,
  profile: 'safe',
  digest: () => 'digest',
});

describe('validation', () => {
  const dated = 'Sun, 06 Nov 1994 08:49:37 GMT';

  test('asks with the validators that are there, and only with entity tags that are some', () => {
    expect(
      conditionsFor(
        stored([
          ['ETag', '"v"'],
          ['Last-Modified', dated],
        ]),
      ),
    ).toEqual({
      'if-none-match': '"v"',
      'if-modified-since': dated,
    });
    expect(conditionsFor(stored([['ETag', 'W/"v"']]))).toEqual({ 'if-none-match': 'W/"v"' });
    for (const tag of ['v', 'w/"v"', 'W\\"v"', '"a"b"'])
      expect(conditionsFor(stored([['ETag', tag]]))).toEqual({});
  });

  test.each<[HeaderList, HeaderList, boolean]>([
    [[['ETag', '"v"']], [['ETag', '"v"']], true],
    [[['ETag', '"v"']], [['ETag', '"w"']], false],
    [[['ETag', 'W/"v"']], [['ETag', '"v"']], false],
    [[['ETag', '"v"']], [['ETag', 'W/"v"']], true],
    [[['ETag', '"v"']], [['ETag', 'W/"w"']], false],
    [[['ETag', '"v"']], [], true],
    [[['Last-Modified', dated]], [['ETag', '"v"']], false],
    [[['Last-Modified', dated]], [['Last-Modified', dated]], true],
    [[['Last-Modified', dated]], [['Last-Modified', 'Sun, 06 Nov 1994 08:49:38 GMT']], false],
  ])('stored %j, 304 with %j: %s', (before, notModified, expected) => {
    expect(isAbout(stored(before), notModified)).toBe(expected);
  });

  test('a 304 changes headers, but none of those that describe the bytes', () => {
    const before = stored([
      ['X-A', '1'],
      ['X-B', '2'],
      ['Content-Length', '4'],
      ['Content-Encoding', 'br'],
      ['ETag', '"v"'],
    ]);
    const merged = mergedHeaders(
      before,
      [
        ['x-a', '9'],
        ['X-C', '3'],
        ['Content-Length', '0'],
        ['Content-Encoding', 'gzip'],
      ],
      NOW,
    );
    const values = ['x-a', 'x-b', 'x-c', 'content-length', 'content-encoding', 'etag', 'date'].map((name) =>
      fieldOf(merged, name),
    );
    expect(values).toEqual(['9', '2', '3', '4', 'br', '"v"', new Date(NOW).toUTCString()]);
  });

  test('a HEAD describes the same response as far as it says', () => {
    const before = stored([
      ['ETag', '"v"'],
      ['Last-Modified', dated],
    ]);
    expect(describesSame(before, [])).toBe(true);
    expect(
      describesSame(before, [
        ['ETag', '"v"'],
        ['Content-Length', '4'],
      ]),
    ).toBe(true);
    expect(describesSame(before, [['ETag', '"w"']])).toBe(false);
    expect(describesSame(before, [['Content-Length', '5']])).toBe(false);
  });
});

describe('invalidation (RFC 9111 section 4.4)', () => {
  test.each<[string, number, boolean]>([
    ['POST', 200, true],
    ['PUT', 204, true],
    ['DELETE', 302, true],
    ['M-SEARCH', 200, true],
    ['WHATEVER', 200, true],
    ['POST', 404, false],
    ['POST', 500, false],
    ['GET', 200, false],
    ['HEAD', 200, false],
    ['OPTIONS', 200, false],
  ])('%s answered %i: %s', (method, status, expected) => {
    expect(isInvalidating(method, status)).toBe(expected);
  });

  test('takes along what Location and Content-Location name at the same origin', () => {
    const url = new URL('https://a.test/dir/x?q');
    const targets = (headers: HeaderList): string[] =>
      invalidatedTargets(url, headers).map(({ rawPath, search }) => rawPath + search);
    expect(targets([])).toEqual(['/dir/x?q']);
    expect(
      targets([
        ['Location', 'y'],
        ['Content-Location', '/z?1'],
      ]),
    ).toEqual(['/dir/x?q', '/dir/y', '/z?1']);
    expect(targets([['Location', 'https://a.test/y']])).toEqual(['/dir/x?q', '/y']);
    expect(
      targets([
        ['Location', 'http://a.test/y'],
        ['Content-Location', '//b.test/z'],
      ]),
    ).toEqual(['/dir/x?q']);
    expect(targets([['Location', 'https://']])).toEqual(['/dir/x?q']);
    expect(isOwnLocation(url, [['Content-Location', 'x?q']])).toBe(true);
    expect(isOwnLocation(url, [['Content-Location', 'x']])).toBe(false);
  });

  test.each<[string, string[]]>([
    ['"a", "b";x=1, "a"', ['a', 'b']],
    ['"a", b, 1', ['a']],
    ['"a", (', []],
    ['', []],
  ])('groups %s', (field, expected) => {
    expect(groupsOf([['Cache-Groups', field]], 'cache-groups')).toEqual(expected);
  });
});

describe('tags', () => {
  test('come from both fields, separated as each has it', () => {
    expect(
      tagsOf([
        ['Cache-Tag', 'a, b,,c'],
        ['Surrogate-Key', 'd  e a'],
      ]),
    ).toEqual({
      tags: ['a', 'b', 'c', 'd', 'e'],
      isTooMany: false,
    });
  });

  test('too many, too long or unreadable ones are told: what cannot carry all its tags cannot be purged by them', () => {
    const many = Array.from({ length: 65 }, (_each, index) => `t${index}`).join();
    expect(tagsOf([['Cache-Tag', many]]).isTooMany).toBe(true);
    expect(tagsOf([['Cache-Tag', many.replace('t64', 't63')]]).isTooMany).toBe(false);
    expect(tagsOf([['Cache-Tag', 'x'.repeat(1025)]]).isTooMany).toBe(true);
    expect(tagsOf([['Cache-Tag', 'a b']]).isTooMany).toBe(true);
    expect(tagsOf([['Cache-Tag', 'ä']]).isTooMany).toBe(true);
  });
});

describe('Cache-Status (RFC 9211)', () => {
  test.each([
    [{ kind: 'hit', ttlMs: 119_900 }, 'origan-edge; hit; ttl=119'],
    [{ kind: 'hit', ttlMs: -30_000, detail: 'swr' }, 'origan-edge; hit; ttl=-30; detail=swr'],
    [
      { kind: 'forward', why: 'uri-miss', status: 200, isStored: true, isCollapsed: true },
      'origan-edge; fwd=uri-miss; fwd-status=200; stored; collapsed',
    ],
    [
      {
        kind: 'forward',
        why: 'stale',
        status: undefined,
        isStored: false,
        isCollapsed: false,
        ttlMs: -1,
        detail: 'stale-if-error',
      },
      'origan-edge; fwd=stale; ttl=-1; detail=stale-if-error',
    ],
  ] as const)('%j', (status, expected) => {
    expect(cacheStatusOf(status)).toBe(expected);
  });
});

describe('request headers', () => {
  test('what is said to caches is told from the rest', () => {
    for (const name of ['cache-control', 'pragma', 'range', 'if-none-match']) {
      expect(speaksToCaches({ [name]: 'x' })).toBe(true);
    }
    expect(speaksToCaches({ cookie: 'a=b', 'x-anything': '1' })).toBe(false);
  });

  test('overriding ones are taken off in any case', () => {
    expect(
      withoutOverrides([
        ['X-Original-URL', '/'],
        ['Accept', '*/*'],
      ]),
    ).toEqual([['Accept', '*/*']]);
  });
});

describe('memory', () => {
  test('a response takes the place of the one that the same requests would select', () => {
    const tier = new MemoryTier({ maxBytes: 1_000_000 });
    const vary: HeaderList = [['Vary', 'X-A']];
    tier.put('k', stored(vary, { body: 'one', variant: 'x-a=1' }));
    tier.put('k', stored(vary, { body: 'two', variant: 'x-a=2' }));
    tier.put('k', stored(vary, { body: 'three', variant: 'x-a=1' }));
    expect(tier.get('k')).toHaveLength(2);
    expect(select(tier.get('k'), selecting({ 'x-a': '1' }))?.body.toString()).toBe('three');
    expect(select(tier.get('k'), selecting({ 'x-a': '3' }))).toBeUndefined();
  });

  test('of several that match the most recent by Date is taken', () => {
    const at = (seconds: number): StoredResponse =>
      stored([['Date', new Date(NOW + seconds * 1000).toUTCString()]]);
    const [old, recent] = [at(0), at(5)];
    expect(mostRecent([old, recent])).toBe(recent);
    expect(mostRecent([recent, old])).toBe(recent);
  });

  test('is bounded in bytes, and counts bodies, headers and keys', () => {
    const tier = new MemoryTier({ maxBytes: 10_000 });
    for (let index = 0; index < 50; index += 1) tier.put(`k${index}`, stored([], { body: 'x'.repeat(1000) }));
    expect(tier.bytes).toBeLessThanOrEqual(10_000);
    expect(tier.get('k49')).toHaveLength(1);
    expect(tier.get('k0')).toHaveLength(0);
    tier.put('huge', stored([], { body: 'x'.repeat(20_000) }));
    expect(tier.get('huge')).toHaveLength(0);
  });

  test('tags and the names in Vary count, too: they are as long as a function likes', () => {
    const tier = new MemoryTier({ maxBytes: 1_000_000 });
    const tags = Array.from({ length: 64 }, (_, index) => String(index).padStart(250, 'x'));
    for (let index = 0; index < 200; index += 1) {
      const response = stored([]);
      tier.put(`k${index}`, { ...response, markers: { ...response.markers, tags, versions: tags } });
    }
    // 32,000 characters each.
    expect(tier.count).toBeGreaterThan(5);
    expect(tier.count).toBeLessThan(32);
  });

  test('an address that outgrows the tier loses its oldest variants, and not all', () => {
    const tier = new MemoryTier({ maxBytes: 50_000 });
    const put = (index: number): void =>
      tier.put('k', stored([['Vary', 'X-A']], { variant: `x-a=${index}`, body: 'x'.repeat(10_000) }));
    for (let index = 0; index < 20; index += 1) put(index);
    expect(tier.get('k').map(({ variant }) => variant)).toEqual(['x-a=19', 'x-a=18', 'x-a=17', 'x-a=16']);
  });

  test('what is remembered of addresses is bounded in bytes: a million of them, however long', () => {
    const known = new KnownVary();
    const hitForMiss = new HitForMiss();
    const keyOf = (index: number): string => `${index} ${'x'.repeat(10_000)}`;
    for (let index = 0; index < 5000; index += 1) {
      known.learn(keyOf(index), { names: ['accept'] });
      hitForMiss.mark(keyOf(index), 0);
    }
    // 50 MB of addresses; the latest are remembered.
    expect([known.get(keyOf(0)), known.get(keyOf(4999))?.names]).toEqual([undefined, ['accept']]);
    expect([hitForMiss.has(keyOf(0), 0), hitForMiss.has(keyOf(4999), 0)]).toEqual([false, true]);
  });

  test('variants of one address are bounded in number', () => {
    const tier = new MemoryTier({ maxBytes: 10_000_000 });
    for (let index = 0; index < 200; index += 1)
      tier.put('k', stored([['Vary', 'X-A']], { variant: `x-a=${index}` }));
    expect(tier.get('k')).toHaveLength(64);
  });
});

describe('the form in the shared cache', () => {
  const response = stored(
    [
      ['X-A', 'ü'],
      ['Vary', 'X-A'],
      ['ETag', '"v"'],
    ],
    { body: '\u0000binary\u00ff', variant: 'x-a=1' },
  );

  test('comes back as it was', () => {
    expect(decodeStored(encodeStored(response))).toEqual(response);
    const index = { varySets: [['x-a'], ['x-a', 'x-b']], inline: response };
    expect(decodeIndex(encodeIndex(index))).toEqual(index);
    expect(decodeIndex(encodeIndex({ varySets: [], inline: undefined }))).toEqual({
      varySets: [],
      inline: undefined,
    });
  });

  test('anything else is nothing', () => {
    const good = encodeStored(response);
    const bad = [
      Buffer.alloc(0),
      Buffer.from('x'),
      Buffer.from('garbage'),
      good.subarray(0, 20),
      Buffer.from('\u0000\u0000\u0000\u0002{}'),
    ];
    for (const bytes of bad)
      expect([decodeStored(bytes), decodeIndex(bytes)]).toEqual([undefined, undefined]);
  });
});
