import { describe, expect, test } from 'vitest';
import { evaluatePreconditions, type Verdict } from '../../../gateway/static/preconditions.ts';

const NOW = Date.UTC(2026, 0, 10);
const VALIDATORS = { etag: '"tag"', lastModifiedMs: Date.UTC(2026, 0, 5) };
const BEFORE = 'Sun, 04 Jan 2026 00:00:00 GMT';
const SAME = 'Mon, 05 Jan 2026 00:00:00 GMT';
const AFTER = 'Tue, 06 Jan 2026 00:00:00 GMT';

const evaluate = (headers: Record<string, string>, method = 'GET', validators = VALIDATORS): Verdict =>
  evaluatePreconditions({ method, headers, nowMs: NOW }, validators);

describe('one condition', () => {
  test.each<[Record<string, string>, Verdict]>([
    [{}, 'proceed'],
    [{ 'if-match': '"tag"' }, 'proceed'],
    [{ 'if-match': '"a", "tag"' }, 'proceed'],
    [{ 'if-match': '*' }, 'proceed'],
    [{ 'if-match': 'W/"tag"' }, 'precondition-failed'],
    [{ 'if-match': '"a"' }, 'precondition-failed'],
    [{ 'if-match': 'tag' }, 'precondition-failed'],
    [{ 'if-unmodified-since': BEFORE }, 'precondition-failed'],
    [{ 'if-unmodified-since': SAME }, 'proceed'],
    [{ 'if-unmodified-since': 'yesterday' }, 'proceed'],
    [{ 'if-none-match': '"tag"' }, 'not-modified'],
    [{ 'if-none-match': 'W/"tag"' }, 'not-modified'],
    [{ 'if-none-match': '"a" , W/"tag",' }, 'not-modified'],
    [{ 'if-none-match': '*' }, 'not-modified'],
    [{ 'if-none-match': '"a"' }, 'proceed'],
    [{ 'if-none-match': '"ta"g"' }, 'proceed'],
    [{ 'if-none-match': '"tag" "a"' }, 'proceed'],
    [{ 'if-modified-since': BEFORE }, 'proceed'],
    [{ 'if-modified-since': SAME }, 'not-modified'],
    [{ 'if-modified-since': AFTER }, 'not-modified'],
    [{ 'if-modified-since': '0' }, 'proceed'],
  ])('%j', (headers, expected) => {
    expect(evaluate(headers)).toBe(expected);
    expect(evaluate(headers, 'HEAD')).toBe(expected);
  });
});

describe('several conditions, in the order of RFC 9110 section 13.2.2', () => {
  test.each<[Record<string, string>, Verdict]>([
    [{ 'if-match': '"tag"', 'if-unmodified-since': BEFORE }, 'proceed'],
    [{ 'if-match': '"tag"', 'if-none-match': '"tag"' }, 'not-modified'],
    [{ 'if-match': '"a"', 'if-none-match': '"tag"' }, 'precondition-failed'],
    [{ 'if-none-match': '"a"', 'if-modified-since': SAME }, 'proceed'],
    [{ 'if-none-match': '"tag"', 'if-modified-since': BEFORE }, 'not-modified'],
    [{ 'if-unmodified-since': BEFORE, 'if-modified-since': SAME }, 'precondition-failed'],
  ])('%j', (headers, expected) => {
    expect(evaluate(headers)).toBe(expected);
  });
});

test('without a modification date the conditions on it do not count', () => {
  const headers = { 'if-unmodified-since': BEFORE, 'if-modified-since': AFTER };
  const validators = { etag: '"tag"', lastModifiedMs: undefined };
  expect(evaluatePreconditions({ method: 'GET', headers, nowMs: NOW }, validators)).toBe('proceed');
});
