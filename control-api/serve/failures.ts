import { DrizzleQueryError } from 'drizzle-orm';
import { ERRORS, messageOf, toEdgeError, type ErrorCode } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { toDatabaseError } from '../database/database.ts';
import { Failure } from '../failure.ts';

export type DescribedFailure = {
  code: ErrorCode;
  status: number;
  /** Fit to be shown to the caller. */
  message: string;
  details: readonly string[] | undefined;
  missing: readonly string[] | undefined;
  isRetryable: boolean;
  /** The error itself, for the log; undefined where the caller's mistake is all there is to it. */
  cause: unknown;
};

/** What a caller is told of any error: the message of a Failure, else the sentence of the table. */
export function describeFailure(thrown: unknown): DescribedFailure {
  const error = toEdgeError(toDatabaseError(thrown));
  const definition = ERRORS[error.code];
  const isFailure = error instanceof Failure;
  return {
    code: error.code,
    status: definition.status,
    message: isFailure ? error.message : definition.text,
    details: isFailure ? error.details : undefined,
    missing: isFailure ? error.missing : undefined,
    isRetryable: definition.retryable,
    cause: definition.status < 500 ? undefined : error,
  };
}

/** Records what is not the caller's doing. */
export function logUnexpected(
  log: Pick<Logger, 'error'>,
  failure: DescribedFailure,
  fields: Record<string, unknown>,
): void {
  if (failure.cause === undefined) return;
  log.error({ ...fields, code: failure.code, ...describeCause(failure.cause) }, 'an operation failed');
}

function describeCause(cause: unknown): { error: string; stack: string | undefined } {
  const origin = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  // Its own message ends with every parameter: whole manifests, and variables of functions.
  if (origin instanceof DrizzleQueryError) {
    return { error: `${messageOf(origin.cause)}, in the query ${origin.query}`, stack: origin.cause?.stack };
  }
  return { error: messageOf(cause), stack: origin instanceof Error ? origin.stack : undefined };
}
