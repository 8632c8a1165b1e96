import { expect, test } from 'vitest';
import { readClientConfig } from './make-call.ts';

test('only the URL is required, and everything else has a default', () => {
  expect(readClientConfig({ RUNNER_URL: 'http://runner:9000/' })).toEqual({
    RUNNER_URL: ['http://runner:9000'],
    RUNNER_CONNECT_TIMEOUT_MS: 2000,
    RUNNER_FIRST_BYTE_TIMEOUT_MS: 30_000,
    RUNNER_IDLE_TIMEOUT_MS: 120_000,
    RUNNER_MAX_CALLS: 2000,
    RUNNER_MAX_CALLS_PER_DEPLOYMENT: 500,
    RUNNER_SHARED_SECRET: undefined,
  });
});

test('several runners are a list', () => {
  const { RUNNER_URL } = readClientConfig({ RUNNER_URL: 'http://a:9000, https://b/base/' });
  expect(RUNNER_URL).toEqual(['http://a:9000', 'https://b/base']);
});

test.each(['runner:9000', 'http://a,', 'http://a,http://a/', 'ftp://a', 'http://a?x=1', ''])(
  '%j is refused',
  (url) => {
    expect(() => readClientConfig({ RUNNER_URL: url })).toThrow('RUNNER_URL');
  },
);

test('wrong values are all named at once, secrets never shown', () => {
  const env = { RUNNER_URL: 'x', RUNNER_IDLE_TIMEOUT_MS: '-1', RUNNER_SHARED_SECRET: 'too short' };
  expect(() => readClientConfig(env)).toThrow(/RUNNER_URL[^]*RUNNER_IDLE_TIMEOUT_MS[^]*RUNNER_SHARED_SECRET/);
  expect(() => readClientConfig(env)).not.toThrow('too short');
});
