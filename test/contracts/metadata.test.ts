import { describe, expect, test } from 'vitest';
import { deploymentMetadataSchema } from '../../contracts/metadata.ts';
import { contentKey, manifestKey, metadataKey, resourceKey } from '../../contracts/object-keys.ts';
import type { StaticResource } from '../../contracts/manifest.ts';

const TODAY = {
  deploymentId: 'd1',
  projectId: 'p1',
  environmentRevisionId: null,
  createdAt: '2026-01-01T00:00:00.000Z',
  environmentVariables: { API_KEY: 'x' },
};

describe('metadata.json', () => {
  test('of today, in clear, is read', () => {
    expect(deploymentMetadataSchema.parse(TODAY)).toEqual(TODAY);
  });

  test('with a sealed environment and functions is read', () => {
    const sealed = {
      ...TODAY,
      environmentVariables: undefined,
      sealedEnvironment: 'abc',
      functions: { 'api/hello.js': { key: 'deployments/d1/api/hello.js', hash: 'a'.repeat(64) } },
    };
    expect(deploymentMetadataSchema.parse(sealed)).toEqual(sealed);
  });

  test('a missing revision counts as none', () => {
    const { environmentRevisionId: _, ...rest } = TODAY;
    expect(deploymentMetadataSchema.parse(rest).environmentRevisionId).toBeNull();
  });

  test.each([
    ['an id that leads elsewhere', { ...TODAY, deploymentId: '../d2' }],
    ['a project with a slash', { ...TODAY, projectId: 'p/1' }],
    ['variables that are no text', { ...TODAY, environmentVariables: { PORT: 80 } }],
    ['a function without a hash', { ...TODAY, functions: { x: { key: 'k' } } }],
    ['nothing', null],
  ])('%s is refused', (_, input) => {
    expect(deploymentMetadataSchema.safeParse(input).success).toBe(false);
  });
});

describe('object keys', () => {
  const hash = 'b'.repeat(64);
  const file: StaticResource = {
    kind: 'static',
    urlPath: '/a b.html',
    resourcePath: 'a b.html',
    hash,
    encodings: { br: { hash: 'c'.repeat(64), size: 1 } },
  };
  const owner = { deploymentId: 'd1', projectId: 'p1', config: {} };

  test('are those that the bucket has today', () => {
    expect(metadataKey('d1')).toBe('deployments/d1/metadata.json');
    expect(manifestKey('d1')).toBe('deployments/d1/manifest.json');
    expect(resourceKey(owner, file)).toBe('deployments/d1/a b.html');
  });

  test('by hash, bytes are shared by the deployments of a project', () => {
    const byHash = { ...owner, config: { objects: 'by-hash' as const } };
    expect(resourceKey(byHash, file)).toBe(contentKey('p1', hash));
    expect(resourceKey(byHash, { ...file, hash: undefined })).toBe('deployments/d1/a b.html');
  });

  test('an encoded form has a key only where the manifest has the form', () => {
    expect(resourceKey(owner, file, 'br')).toBe(`projects/p1/objects/${'c'.repeat(64)}`);
    expect(resourceKey(owner, file, 'gzip')).toBeUndefined();
    const code = { kind: 'dynamic' as const, urlPath: '/api', resourcePath: 'api.js' };
    expect(resourceKey(owner, code, 'br')).toBeUndefined();
  });
});
