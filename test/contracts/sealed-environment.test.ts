import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { openEnvironment, sealEnvironment } from '../../contracts/sealed-environment.ts';

const KEY = randomBytes(32);
const VARIABLES = {
  DATABASE_URL: 'postgres://user:pass@host/db',
  EMPTY: '',
  UNICODE: '漢字 🎉',
  LINES: 'a\nb',
};

describe('a sealed environment', () => {
  test('opens with the key and the deployment it was sealed for', () => {
    expect(openEnvironment(sealEnvironment(VARIABLES, 'd1', KEY), 'd1', KEY)).toEqual(VARIABLES);
    expect(openEnvironment(sealEnvironment({}, 'd1', KEY), 'd1', KEY)).toEqual({});
  });

  test('can be the value of a header, and tells nothing', () => {
    const sealed = sealEnvironment(VARIABLES, 'd1', KEY);
    expect(sealed).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain('postgres');
  });

  test('is never the same twice', () => {
    const sealed = Array.from({ length: 50 }, () => sealEnvironment(VARIABLES, 'd1', KEY));
    expect(new Set(sealed.map((text) => text.slice(0, 16))).size).toBe(50);
  });

  test('does not open for another deployment', () => {
    const sealed = sealEnvironment(VARIABLES, 'd1', KEY);
    expect(() => openEnvironment(sealed, 'd2', KEY)).toThrow();
  });

  test('does not open with another key', () => {
    const sealed = sealEnvironment(VARIABLES, 'd1', KEY);
    expect(() => openEnvironment(sealed, 'd1', randomBytes(32))).toThrow();
    expect(() => openEnvironment(sealed, 'd1', Buffer.from('short'))).toThrow();
  });

  test('does not open when any byte of it was changed', () => {
    const bytes = Buffer.from(sealEnvironment({ A: 'b' }, 'd1', KEY), 'base64url');
    for (let index = 0; index < bytes.length; index += 1) {
      const changed = Buffer.from(bytes);
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(() => openEnvironment(changed.toString('base64url'), 'd1', KEY)).toThrow();
    }
  });

  test.each([1, 12, 27, 28, 40])('does not open when only %d bytes of it are left', (length) => {
    const bytes = Buffer.from(sealEnvironment(VARIABLES, 'd1', KEY), 'base64url');
    expect(() => openEnvironment(bytes.subarray(0, length).toString('base64url'), 'd1', KEY)).toThrow();
  });

  test.each(['', 'not sealed at all', '{"A":"b"}'])('%j is none', (text) => {
    expect(() => openEnvironment(text, 'd1', KEY)).toThrow();
  });
});
