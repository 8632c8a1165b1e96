import { describe, expect, test } from 'vitest';
import { parseManifest, type Manifest } from '../../contracts/manifest.ts';

const HASH = 'a'.repeat(64);
const FILE = { kind: 'static', urlPath: '/a.html', resourcePath: 'a.html' };
const FUNCTION = { kind: 'dynamic', urlPath: '/api/:id', resourcePath: 'api/[id].js' };

function parse(input: unknown): { manifest: Manifest; warnings: string[] } {
  const parsed = parseManifest(input);
  if (parsed.kind === 'invalid') throw new Error(parsed.problem);
  return parsed;
}

const withResources = (...resources: unknown[]): { manifest: Manifest; warnings: string[] } =>
  parse({ version: 1, resources });

describe('a manifest of today', () => {
  test('without the optional fields works', () => {
    const { manifest, warnings } = withResources(FILE, FUNCTION);
    expect(manifest).toEqual({ version: 1, resources: [FILE, FUNCTION] });
    expect(warnings).toEqual([]);
  });

  test('with methods, headers and a wildcard keeps them', () => {
    const full = {
      ...FUNCTION,
      urlPath: '/api/*',
      methods: ['GET', 'POST'],
      headers: { 'X-A': '1' },
      wildcard: true,
    };
    expect(withResources(full).manifest.resources).toEqual([full]);
  });

  test('may be empty', () => {
    expect(parse({ version: 1, resources: [] })).toMatchObject({ manifest: { resources: [] }, warnings: [] });
  });

  test('of before there were versions is answered as if empty, and says so', () => {
    const { manifest, warnings } = parse({ app: [{ urlPath: '/x' }], api: [] });
    expect(manifest).toEqual({ version: 1, resources: [] });
    expect(warnings).toEqual(['an old manifest of the form {app, api}: answered as if empty']);
  });
});

describe('fields that nobody here knows', () => {
  test('are left out and do no harm', () => {
    const { manifest, warnings } = parse({
      version: 7,
      resources: [{ ...FILE, futureField: { nested: [1] } }],
      futureTopLevel: 'x',
      domain_placeholder: '{{domain}}',
    });
    expect(manifest).toEqual({ version: 7, resources: [FILE], domain_placeholder: '{{domain}}' });
    expect(warnings).toEqual([]);
  });

  test('a resource of an unknown kind is left out, the others are served', () => {
    const { manifest, warnings } = withResources({ ...FILE, kind: 'worker' }, FILE);
    expect(manifest.resources).toEqual([FILE]);
    expect(warnings).toEqual(['resource 0 left out: it is malformed']);
  });

  test('cannot reach the prototype of anything', () => {
    const json = `{"version":1,"resources":[{"kind":"static","urlPath":"/a","resourcePath":"a",
      "__proto__":{"polluted":1},"headers":{"__proto__":"x","constructor":"y"}}],"__proto__":{"polluted":1}}`;
    const { manifest } = parse(JSON.parse(json));
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect((manifest.resources[0] as Record<string, unknown> | undefined)?.['polluted']).toBeUndefined();
  });
});

describe('optional fields of ours that do not parse', () => {
  test.each([
    ['hash', 'not-a-hash'],
    ['hash', 'A'.repeat(64)],
    ['size', -1],
    ['size', 1.5],
    ['fingerprinted', 'yes'],
    ['encodings', { br: { hash: 'x', size: 1 } }],
    ['headers', { 'X-A': 7 }],
  ])('%s: %j counts as absent', (name, value) => {
    const { manifest, warnings } = withResources({ ...FILE, [name]: value });
    expect(manifest.resources).toEqual([FILE]);
    expect(warnings).toEqual([]);
  });

  test('well-formed ones are kept', () => {
    const full = {
      ...FILE,
      hash: HASH,
      size: 3,
      fingerprinted: true,
      encodings: { br: { hash: HASH, size: 2 }, zstd: { hash: HASH, size: 2 } },
    };
    expect(withResources(full).manifest.resources).toEqual([full]);
  });
});

describe('hostile resources', () => {
  test.each([
    ['../other-deployment/secret', 'contains a dot segment'],
    ['a/../../b', 'contains a dot segment'],
    ['/etc/passwd', 'begins with a slash'],
    ['a\\..\\b', 'contains a backslash'],
    ['a\0b', 'contains a control character'],
    ['', 'is empty'],
    ['a//b', 'contains an empty segment'],
  ])('resourcePath %j is left out', (resourcePath, why) => {
    const { manifest, warnings } = withResources(
      { ...FILE, resourcePath },
      { ...FUNCTION, resourcePath },
      FILE,
    );
    expect(manifest.resources).toEqual([FILE]);
    expect(warnings).toEqual(
      [0, 1].map((index) => `resource ${index} left out: it has a resourcePath that ${why}`),
    );
  });

  test('a resourcePath that fits no object key together with its deployment is left out', () => {
    const longest = 'x'.repeat(880);
    const { manifest } = withResources(
      { ...FILE, resourcePath: longest },
      { ...FILE, resourcePath: `${longest}x` },
    );
    expect(manifest.resources).toEqual([{ ...FILE, resourcePath: longest }]);
  });

  test.each(['', 'a.html', 'https://elsewhere/', 'C:\\x'])('urlPath %j is left out', (urlPath) => {
    const { manifest, warnings } = withResources({ ...FILE, urlPath });
    expect(manifest.resources).toEqual([]);
    expect(warnings).toEqual(['resource 0 left out: it has a urlPath without a leading slash']);
  });

  test.each([null, undefined, 'text', 7, [], [FILE], { kind: 'static' }, { ...FILE, urlPath: 7 }])(
    '%j is left out',
    (candidate) => {
      expect(withResources(candidate, FILE).manifest.resources).toEqual([FILE]);
    },
  );

  test('headers that could not be sent, or that are not theirs to set, are left out and the file is served', () => {
    const headers = {
      'X-Good': 'yes',
      'X-Split': 'a\r\nSet-Cookie: b=c',
      'Bad Name': 'x',
      'X-Snowman': '☃',
      'Transfer-Encoding': 'chunked',
      'Content-Length': '5',
      'x-origan-deployment-id': 'other',
    };
    const { manifest, warnings } = withResources({ ...FILE, headers });
    expect(manifest.resources).toEqual([{ ...FILE, headers: { 'X-Good': 'yes' } }]);
    expect(warnings).toHaveLength(6);
    expect(warnings[0]).toBe(
      'resource 0: header "X-Split" left out: its value contains a character that no header can carry',
    );
    expect(warnings.join()).not.toContain('Set-Cookie');
  });
});

describe('a frame that does not parse makes the manifest invalid', () => {
  test.each([
    ['nothing', undefined],
    ['null', null],
    ['text', 'manifest'],
    ['a list', []],
    ['no version', { resources: [] }],
    ['a version that is no number', { version: '1', resources: [] }],
    ['no resources', { version: 1 }],
    ['resources that are no list', { version: 1, resources: {} }],
    ['an unknown place of objects', { version: 1, resources: [], objects: 'elsewhere' }],
    [
      'a redirect with a status that is none',
      { version: 1, resources: [], redirects: [{ from: '/a', to: '/b', status: 404 }] },
    ],
    [
      'a redirect from nowhere',
      { version: 1, resources: [], redirects: [{ from: 'a', to: '/b', status: 301 }] },
    ],
  ])('%s', (_, input) => {
    const parsed = parseManifest(input);
    expect(parsed.kind).toBe('invalid');
    expect((parsed as { problem: string }).problem).not.toBe('');
  });
});
