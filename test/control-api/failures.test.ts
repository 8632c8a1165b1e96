import { DrizzleQueryError } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { describeFailure, logUnexpected } from '../../control-api/serve/failures.ts';

it('logs a query that failed without its parameters, which may be secrets', () => {
  const cause = new Error('value too long');
  const thrown = new DrizzleQueryError('insert into "x" values ($1, $2)', ['hunter2', '{"SECRET":1}'], cause);
  expect(thrown.message).toContain('hunter2');
  const lines: object[] = [];
  const failure = describeFailure(thrown);
  logUnexpected({ error: (line: object) => void lines.push(line) }, failure, { path: '/v1/x' });
  expect(failure).toMatchObject({ status: 500, message: expect.not.stringContaining('hunter2') });
  expect(JSON.stringify(lines)).not.toMatch(/hunter2|SECRET/);
  expect(lines).toEqual([
    {
      path: '/v1/x',
      code: 'INTERNAL',
      error: 'value too long, in the query insert into "x" values ($1, $2)',
      stack: expect.stringContaining('value too long'),
    },
  ]);
});

it('logs any other failure with its stack, and a mistake of the caller not at all', () => {
  const lines: object[] = [];
  const log = { error: (line: object) => void lines.push(line) };
  logUnexpected(log, describeFailure(new TypeError('a bug')), {});
  expect(lines).toEqual([{ code: 'INTERNAL', error: 'a bug', stack: expect.stringContaining('TypeError') }]);
});
