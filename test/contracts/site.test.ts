import { describe, expect, test } from 'vitest';
import { parseSiteRecord } from '../../contracts/site.ts';

const CONFIG = { version: 1, resources: [{ kind: 'static', urlPath: '/', resourcePath: 'index.html' }] };
const SITE = {
  deploymentId: '0194f6d2-3c5e-7000-8000-000000000000',
  projectId: 'abcdefghij',
  config: CONFIG,
};

describe('parseSiteRecord', () => {
  test('reads an answer of today, which has no revision', () => {
    expect(parseSiteRecord(SITE)).toEqual({ kind: 'valid', site: SITE, warnings: [] });
  });

  test('keeps a revision', () => {
    expect(parseSiteRecord({ ...SITE, rev: 0 })).toMatchObject({ site: { rev: 0 } });
    expect(parseSiteRecord({ ...SITE, rev: 12 })).toMatchObject({ site: { rev: 12 } });
  });

  test('drops what it does not know', () => {
    const parsed = parseSiteRecord({ ...SITE, environmentVariables: { SECRET: 'x' } });
    expect(parsed).toEqual({ kind: 'valid', site: SITE, warnings: [] });
  });

  test('passes the warnings of the manifest on', () => {
    expect(parseSiteRecord({ ...SITE, config: { app: [], api: [] } })).toMatchObject({
      kind: 'valid',
      site: { config: { resources: [] } },
      warnings: [expect.stringContaining('old manifest')],
    });
  });

  test.each([
    ['nothing', undefined],
    ['an error', { error: { code: 'NOT_FOUND' } }],
    ['no deployment', { ...SITE, deploymentId: undefined }],
    ['a deployment that leads elsewhere', { ...SITE, deploymentId: '../other' }],
    ['a project with a slash', { ...SITE, projectId: 'a/b' }],
    ['a project that is empty', { ...SITE, projectId: '' }],
    ['a revision that is no whole number', { ...SITE, rev: 1.5 }],
    ['a revision below zero', { ...SITE, rev: -1 }],
    ['a manifest that does not parse', { ...SITE, config: { version: 1 } }],
    ['no manifest', { ...SITE, config: undefined }],
  ])('%s is invalid', (_, input) => {
    expect(parseSiteRecord(input).kind).toBe('invalid');
  });
});
