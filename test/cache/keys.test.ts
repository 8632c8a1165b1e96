import { describe, expect, expectTypeOf, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import {
  existenceTtlMs,
  FAMILY_NAMES,
  githubTokenTtlMs,
  keyOf,
  keys,
  keysOfDeployment,
} from '../../cache/keys.ts';

describe('the catalogue', () => {
  it('builds the names that the specification gives', () => {
    expect([
      keys.domain('shop.example:7777').name,
      keys.deploymentConfig('d').name,
      keys.deploymentMetadata('d').name,
      keys.deploymentExists('d').name,
      keys.projectConfig('p').name,
      keys.projectEnvironments('p').name,
      keys.userProjects('u').name,
      keys.userOrgs('u').name,
      keys.githubToken('1', '2').name,
      keys.buildStatus('b').name,
      keys.buildLogs('b').name,
      keys.deployLock('p', 'production').name,
      keys.response('d', 'k').name,
      keys.tag('p', 't').name,
      keys.gateway('g').name,
    ]).toEqual([
      'domain:shop.example:7777',
      'deployment:d:config',
      'deployment:d:metadata',
      'deployment:d:exists',
      'project:p:config',
      'project:p:environments',
      'user:u:projects',
      'user:u:orgs',
      'github:token:1:2',
      'build:b:status',
      'build:b:logs',
      'deploy:lock:p:production',
      'response:d:k',
      'tag:p:t',
      'gateway:g',
    ]);
  });

  it('gives every family a name of its own', () => {
    expect(new Set(FAMILY_NAMES).size).toBe(FAMILY_NAMES.length);
  });

  it('lets the compiler refuse a wrong value for a key', () => {
    const wrong = (cache: Cache): void => {
      // @ts-expect-error a number is no list of projects
      void cache.set(keys.userProjects('u'), 7);
      // @ts-expect-error text is no boolean
      void cache.set(keys.deploymentExists('d'), 'yes');
      // @ts-expect-error a site record needs a manifest
      void cache.set(keys.domain('a'), { deploymentId: 'd', projectId: 'p' });
    };
    expectTypeOf(wrong).toBeFunction();
  });

  it('names every key of a deployment, and finds a key again by family and name', () => {
    expect(keysOfDeployment('d').map((key) => key.name)).toEqual([
      'deployment:d:config',
      'deployment:d:metadata',
      'deployment:d:exists',
    ]);
    expect(keyOf('domain', 'domain:a')?.family).toBe(keys.domain('a').family);
    expect(keyOf('of-tomorrow', 'x')).toBeUndefined();
  });

  it('keeps a GitHub token until five minutes before it expires, and "does not exist" for ten seconds', () => {
    const nowMs = Date.parse('2026-01-01T00:00:00Z');
    expect(githubTokenTtlMs('2026-01-01T01:00:00Z', nowMs)).toBe(55 * 60_000);
    expect(githubTokenTtlMs('2026-01-01T00:04:00Z', nowMs)).toBe(0);
    expect(githubTokenTtlMs('never', nowMs)).toBe(0);
    expect(existenceTtlMs(false)).toBe(10_000);
    expect(existenceTtlMs(true)).toBeUndefined();
  });
});
