import { describe, expect, test } from 'vitest';
import { EdgeError, ERRORS, messageOf, toEdgeError, type ErrorCode } from '../../core/errors.ts';

const CODES = Object.keys(ERRORS) as ErrorCode[];

describe('the table of errors', () => {
  test.each(CODES)('%s has a status of its class and a sentence fit for anyone', (code) => {
    const { status, source, text } = ERRORS[code];
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    // What a client did wrong is 4xx, save what RFC 9110 (501) and RFC 9111 (only-if-cached) number otherwise.
    const isNumberedOtherwise = status === 501 || code === 'ONLY_IF_CACHED';
    if (!isNumberedOtherwise) expect(source === 'client').toBe(status < 500);
    expect(text).toMatch(/^[A-Z].*\.$/);
    expect(text).not.toMatch(/s3|redis|bucket|runner|cache server|control api|localhost/i);
  });

  test('a missing object, a failed one and an unknown host are three different answers', () => {
    expect(ERRORS.OBJECT_MISSING.status).toBe(502);
    expect(ERRORS.BUCKET_FAILED.status).toBe(503);
    expect(ERRORS.UNKNOWN_HOST.status).toBe(404);
    expect(ERRORS.CONTROL_API_FAILED.status).toBe(503);
    expect(ERRORS.RUNNER_TIMEOUT.status).toBe(504);
  });
});

describe('EdgeError', () => {
  test('has the status of its code, its detail and its cause', () => {
    const cause = new Error('socket closed');
    const error = new EdgeError('BUCKET_FAILED', { detail: 'get x failed', cause });
    expect(error).toMatchObject({ code: 'BUCKET_FAILED', status: 503, message: 'get x failed', cause });
    expect(error.name).toBe('EdgeError');
    expect(new EdgeError('NOT_FOUND').message).toBe(ERRORS.NOT_FOUND.text);
    expect('cause' in new EdgeError('NOT_FOUND')).toBe(false);
  });

  test('toEdgeError leaves one as it is and keeps anything else as the cause', () => {
    const known = new EdgeError('DRAINING');
    expect(toEdgeError(known)).toBe(known);
    for (const thrown of [new TypeError('boom'), 'text', undefined, null, 7]) {
      expect(toEdgeError(thrown)).toMatchObject({ code: 'INTERNAL', status: 500 });
    }
    const boom = new TypeError('boom');
    expect(toEdgeError(boom)).toMatchObject({ cause: boom, message: 'boom' });
  });
});

describe('messageOf', () => {
  test.each([
    [new Error('boom'), 'boom'],
    [new AggregateError([new Error('refused on ::1'), new Error('refused on 127.0.0.1')]), 'refused on ::1'],
    [new AggregateError([], 'nothing tried'), 'nothing tried'],
    [new TypeError(), 'TypeError'],
    ['text', 'text'],
    [undefined, 'undefined'],
    [null, 'null'],
    [Symbol('x'), 'Symbol(x)'],
    [Object.create(null), 'an unknown value was thrown'],
  ])('of %s', (thrown, expected) => {
    expect(messageOf(thrown)).toBe(expected);
  });
});
