import { expect, test } from 'vitest';
import { ConfigError, type Environment } from '../../core/env.ts';
import { readStandaloneConfig } from '../../standalone/config.ts';
import { standaloneEnvironment } from '../../standalone/environment.ts';

/** Names of the variables that `npm start` says are wrong. */
function wrongVariables(env: Environment): string[] {
  try {
    readStandaloneConfig(standaloneEnvironment(env));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((problem) => problem.slice(0, problem.indexOf(':'))).toSorted();
  }
  return [];
}

test('nothing needs to be set', () => {
  expect(wrongVariables({})).toEqual([]);
});

test('what is wrong in any part is said at once, each variable once', () => {
  const wrong = {
    CONTROL_API_ADMIN_PORT: '70000',
    DATABASE_URL: 'mysql://somewhere/x',
    CACHE_URL: 'ftp://somewhere',
    LOG_LEVEL: 'loud',
    FUNCTION_MEMORY_MB: '1',
    TRUSTED_PROXIES: 'nobody',
  };
  expect(wrongVariables(wrong)).toEqual(Object.keys(wrong).toSorted());
});

test.each(['GATEWAY_PORT', 'CONTROL_API_PORT', 'RUNNER_PORT'])(
  'a wrong %s is named itself, not the addresses made of it',
  (name) => {
    for (const text of ['80.5', 'http', '99999', '-1']) {
      expect(wrongVariables({ [name]: text })).toEqual([name]);
    }
  },
);

test.each([
  ['GITHUB_APP_ID', '17', 'GITHUB_APP_PRIVATE_KEY'],
  ['GITHUB_APP_PRIVATE_KEY', '-----BEGIN PRIVATE KEY-----', 'GITHUB_APP_ID'],
])('%s alone is half a GitHub App', (name, value, missing) => {
  expect(wrongVariables({ [name]: value })).toEqual([missing]);
});
