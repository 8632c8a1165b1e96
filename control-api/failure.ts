import { EdgeError, type ErrorCode } from '../core/errors.ts';

export type FailureDetails = {
  /** Every single problem, where there are several. */
  details?: readonly string[] | undefined;
  /** Hashes that still have to be uploaded. */
  missing?: readonly string[] | undefined;
  cause?: unknown;
};

/** A failure whose message the caller may read: it names what the caller sent, and says what to do. */
export class Failure extends EdgeError {
  readonly details: readonly string[] | undefined;
  readonly missing: readonly string[] | undefined;

  constructor(code: ErrorCode, message: string, more: FailureDetails = {}) {
    super(code, { detail: message, cause: more.cause });
    this.name = 'Failure';
    this.details = more.details;
    this.missing = more.missing;
  }
}

export function notFound(kind: string, name: string): Failure {
  return new Failure('NOT_FOUND', `There is no ${kind} ${JSON.stringify(name)}, or you may not see it.`);
}
