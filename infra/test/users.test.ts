import { describe, expect, test } from 'vitest';
import { aclFile } from '../src/cache/users.ts';

const PASSWORDS = { gateway: 'g'.repeat(16), runner: 'r'.repeat(16), 'control-api': 'c'.repeat(16) };

describe('the file of users', () => {
  test('has one space between words and none at the end, which Dragonfly would take for an empty rule', () => {
    for (const line of aclFile(PASSWORDS, 'p:').trimEnd().split('\n'))
      expect(line).toMatch(/^user( [^ ]+){3,}$/);
  });

  test.each([
    ['is missing', {}],
    ['is empty', { ...PASSWORDS, gateway: '' }],
    ['is short', { ...PASSWORDS, gateway: 'short' }],
    ['would add a rule', { ...PASSWORDS, gateway: `${'g'.repeat(16)} nopass` }],
    ['would add a user', { ...PASSWORDS, gateway: `${'g'.repeat(16)}\nuser evil on nopass ~* +@all` }],
  ])('is refused when a password %s', (_, passwords) => {
    expect(() => aclFile(passwords)).toThrow(/the password of gateway must have 16 characters/);
  });
});
