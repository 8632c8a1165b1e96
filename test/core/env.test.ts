import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ConfigError, field, readEnvironment, type Environment } from '../../core/env.ts';

const SHAPE = z.object({
  PORT: field.int(7777, 1, 65_535),
  CACHE_ENABLED: field.bool(true),
  CONTROL_API_URL: field.httpUrl(),
  NAME: field.text(),
  ORIGINS: field.list(),
  MODE: z.enum(['safe', 'rfc']),
});
const GOOD = { CONTROL_API_URL: 'http://localhost:9999/', NAME: 'edge', MODE: 'safe' };

function failureOf(env: Environment): ConfigError {
  try {
    readEnvironment('gateway', SHAPE, env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('expected a ConfigError');
}

describe('readEnvironment', () => {
  test('answers typed values and defaults, frozen', () => {
    const config = readEnvironment('gateway', SHAPE, {
      ...GOOD,
      PORT: '80',
      ORIGINS: 'a, b,,c ',
      HOME: '/root',
    });
    expect(config).toEqual({
      PORT: 80,
      CACHE_ENABLED: true,
      CONTROL_API_URL: 'http://localhost:9999',
      NAME: 'edge',
      ORIGINS: ['a', 'b', 'c'],
      MODE: 'safe',
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  test('names every wrong key at once, with what was expected', () => {
    const failure = failureOf({
      PORT: '70000',
      CACHE_ENABLED: 'maybe',
      CONTROL_API_URL: 'localhost:9999',
      MODE: 'fast',
    });
    expect(failure.message).toBe(
      [
        'gateway: wrong configuration',
        '  - PORT: must be a whole number from 1 to 65535',
        '  - CACHE_ENABLED: must be true or false',
        '  - CONTROL_API_URL: must be an absolute http:// or https:// URL without query or fragment',
        '  - NAME: is required but not set',
        '  - MODE: Invalid option: expected one of "safe"|"rfc"',
      ].join('\n'),
    );
    expect(failure.problems).toHaveLength(5);
  });

  test('an empty value counts as not set', () => {
    expect(readEnvironment('gateway', SHAPE, { ...GOOD, PORT: '', ORIGINS: '' })).toMatchObject({
      PORT: 7777,
      ORIGINS: [],
    });
    expect(failureOf({ ...GOOD, NAME: '' }).problems).toEqual(['NAME: is required but not set']);
  });

  test('a missing key is said to be missing, whatever its type', () => {
    expect(failureOf({}).problems).toEqual([
      'CONTROL_API_URL: is required but not set',
      'NAME: is required but not set',
      'MODE: is required but not set',
    ]);
  });

  test('never repeats a value: it may be a secret', () => {
    const secret = 'hunter2-hunter2';
    const wrong = Object.fromEntries(Object.keys(SHAPE.shape).map((key) => [key, secret]));
    const { message, problems } = failureOf(wrong);
    expect(problems).toHaveLength(4);
    expect(message).not.toContain('hunter2');
  });
});

describe('fields', () => {
  const parse = <Value>(type: z.ZodType<Value>, text: string | undefined): Value | 'refused' => {
    const result = type.safeParse(text);
    return result.success ? result.data : 'refused';
  };

  test.each([
    ['0', 0],
    ['10', 10],
    ['007', 7],
    [undefined, 5],
    ['11', 'refused'],
    ['-1', 'refused'],
    ['1.5', 'refused'],
    ['1e1', 'refused'],
    ['0x5', 'refused'],
    [' 5', 'refused'],
    ['5 ', 'refused'],
    ['five', 'refused'],
    ['99999999999999999999', 'refused'],
  ])('int: %j is %j', (text, expected) => {
    expect(parse(field.int(5, 0, 10), text)).toBe(expected);
  });

  test('int knows no number that doubles cannot hold', () => {
    expect(parse(field.int(0), '9007199254740991')).toBe(Number.MAX_SAFE_INTEGER);
    expect(parse(field.int(0), '9007199254740992')).toBe('refused');
  });

  test.each([
    ['true', true],
    ['TRUE', true],
    ['1', true],
    ['yes', true],
    ['on', true],
    ['false', false],
    ['0', false],
    ['No', false],
    ['off', false],
    [undefined, true],
    ['tru', 'refused'],
    ['2', 'refused'],
    [' true', 'refused'],
  ])('bool: %j is %j', (text, expected) => {
    expect(parse(field.bool(true), text)).toBe(expected);
  });

  test.each([
    ['http://localhost:9999', 'http://localhost:9999'],
    ['https://api.example/base/', 'https://api.example/base'],
    ['HTTP://API.example//', 'HTTP://API.example'],
    ['http:localhost', 'refused'],
    ['http://', 'refused'],
    ['http://a b', 'refused'],
    ['http://host/ ', 'refused'],
    ['http://host\n', 'refused'],
    [' http://host', 'refused'],
    ['http://host/?key=1', 'refused'],
    ['http://host/#part', 'refused'],
    ['redis://host', 'refused'],
    ['//host', 'refused'],
    ['host:80', 'refused'],
    [undefined, 'refused'],
  ])('httpUrl: %j is %j', (text, expected) => {
    expect(parse(field.httpUrl(), text)).toBe(expected);
  });
});
