import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ConfigError, field, readEnvironment, type Environment } from '../../core/env.ts';
import { storeFields, toStoreConfig, withStoreRules, type StoreConfig } from '../../store/config.ts';

const S3 = {
  BUCKET_URL: 'http://127.0.0.1:3900/',
  BUCKET_NAME: 'deployments',
  BUCKET_ACCESS_KEY: 'id',
  BUCKET_SECRET_KEY: 'secret',
};
const SHAPE = withStoreRules(z.object({ ...storeFields, PORT: field.int(7777) }));

const read = (env: Environment): StoreConfig => toStoreConfig(readEnvironment('test', SHAPE, env));

function problemsOf(env: Environment): readonly string[] {
  try {
    read(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('expected a ConfigError');
}

describe('store configuration', () => {
  test('an http(s) URL is an S3 server', () => {
    expect(read({ ...S3, BUCKET_REGION: 'garage', BUCKET_MAX_ATTEMPTS: '5' })).toEqual({
      kind: 's3',
      endpoint: 'http://127.0.0.1:3900',
      bucket: 'deployments',
      region: 'garage',
      accessKey: 'id',
      secretKey: 'secret',
      connectTimeoutMs: 2000,
      firstByteTimeoutMs: 5000,
      idleTimeoutMs: 10_000,
      maxAttempts: 5,
      maxSockets: 256,
    });
  });

  test.each([
    ['file:///var/lib/origan', '/var/lib/origan'],
    ['file:///with%20space', '/with space'],
    ['/var/lib/origan', '/var/lib/origan'],
    ['./objects', resolve('objects')],
  ])('%s is a directory', (BUCKET_URL, root) => {
    expect(read({ BUCKET_URL })).toEqual({ kind: 'directory', root });
  });

  test.each([
    ['ftp://host/x', /must be an http/],
    ['file://host/share', /must be an http/],
    ['http://', /must be an http/],
    ['http://user:hunter2@host', /must not contain a user or password/],
    ['http://host/?x=1', /must not have a query/],
  ])('%s is refused without being repeated', (BUCKET_URL, message) => {
    const [problem = ''] = problemsOf({ ...S3, BUCKET_URL });
    expect(problem).toMatch(message);
    expect(problem).not.toContain('hunter2');
  });

  test('every wrong key is reported at once', () => {
    const problems = problemsOf({ BUCKET_URL: 'https://s3.example', PORT: 'eighty', BUCKET_NAME: 'x' });
    expect(problems).toHaveLength(3);
    expect(problems.join('\n')).toMatch(/PORT: must be a whole number/);
    expect(problems.join('\n')).toMatch(/BUCKET_ACCESS_KEY: is required with an http/);
    expect(problems.join('\n')).toMatch(/BUCKET_SECRET_KEY: is required with an http/);
  });

  test('without the rules of the shape the keys are still required', () => {
    const fields = readEnvironment('test', z.object(storeFields), { BUCKET_URL: 'https://s3.example' });
    expect(() => toStoreConfig(fields)).toThrow(/BUCKET_NAME: is required/);
  });

  test('the URL is required', () => {
    expect(problemsOf({})).toEqual(['BUCKET_URL: is required but not set']);
  });
});
