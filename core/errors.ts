/** Where a failure came from: what an operator looks at first. */
export type ErrorSource = 'client' | 'edge' | 'control-api' | 'bucket' | 'runner' | 'cache';

/** Every code of the table. */
export type ErrorCode =
  | 'BAD_REQUEST'
  | 'BAD_HOST'
  | 'BAD_PATH'
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'UNKNOWN_HOST'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'NOT_ACCEPTABLE'
  | 'REQUEST_TIMEOUT'
  | 'CONFLICT'
  | 'PRECONDITION_FAILED'
  | 'BODY_TOO_LARGE'
  | 'URI_TOO_LONG'
  | 'RANGE_NOT_SATISFIABLE'
  | 'EXPECTATION_FAILED'
  | 'CONTENT_MISMATCH'
  | 'TOO_MANY_CONNECTIONS'
  | 'HEADERS_TOO_LARGE'
  | 'INTERNAL'
  | 'METHOD_NOT_IMPLEMENTED'
  | 'TRANSFER_CODING_NOT_IMPLEMENTED'
  | 'OBJECT_MISSING'
  | 'BAD_MANIFEST'
  | 'RUNNER_UNREACHABLE'
  | 'RUNNER_BROKE_OFF'
  | 'CONTROL_API_FAILED'
  | 'BUCKET_FAILED'
  | 'OVERLOADED'
  | 'DRAINING'
  | 'RUNNER_OVERLOADED'
  | 'CACHE_FAILED'
  | 'ONLY_IF_CACHED'
  | 'RUNNER_TIMEOUT';

export type ErrorDefinition = {
  /** HTTP status that a client sees. */
  readonly status: number;
  /** Whether the same request may succeed when sent again unchanged. */
  readonly retryable: boolean;
  readonly source: ErrorSource;
  /** The sentence a client may read. Names no host, path, key or upstream message. */
  readonly text: string;
};

const define = (status: number, source: ErrorSource, retryable: boolean, text: string): ErrorDefinition => ({
  status,
  source,
  retryable,
  text,
});

/** Every error that a client of the edge can meet. Codes are part of the public interface: never renamed. */
export const ERRORS: Readonly<Record<ErrorCode, ErrorDefinition>> = {
  BAD_REQUEST: define(400, 'client', false, 'The request could not be understood.'),
  BAD_HOST: define(400, 'client', false, 'The request must name exactly one valid host.'),
  BAD_PATH: define(400, 'client', false, 'The path contains a malformed or forbidden escape.'),
  UNAUTHORIZED: define(401, 'client', false, 'A valid token is required.'),
  FORBIDDEN: define(403, 'client', false, 'The token does not allow this.'),
  UNKNOWN_HOST: define(404, 'client', false, 'No site is deployed at this address.'),
  NOT_FOUND: define(404, 'client', false, 'This page does not exist.'),
  METHOD_NOT_ALLOWED: define(405, 'client', false, 'This resource does not support the method.'),
  NOT_ACCEPTABLE: define(406, 'client', false, 'No form of this resource is acceptable to the client.'),
  REQUEST_TIMEOUT: define(408, 'client', true, 'The request did not arrive in time.'),
  CONFLICT: define(409, 'client', false, 'The request conflicts with the current state.'),
  PRECONDITION_FAILED: define(412, 'client', false, 'The resource has changed.'),
  BODY_TOO_LARGE: define(413, 'client', false, 'The request body is larger than allowed.'),
  URI_TOO_LONG: define(414, 'client', false, 'The address is longer than allowed.'),
  RANGE_NOT_SATISFIABLE: define(416, 'client', false, 'The requested range lies outside the resource.'),
  EXPECTATION_FAILED: define(417, 'client', false, 'The expectation cannot be met.'),
  CONTENT_MISMATCH: define(422, 'client', false, 'The content is not what was announced.'),
  TOO_MANY_CONNECTIONS: define(429, 'client', true, 'Too many connections from this address.'),
  HEADERS_TOO_LARGE: define(431, 'client', false, 'The request headers are larger than allowed.'),
  INTERNAL: define(500, 'edge', false, 'Something went wrong inside the edge.'),
  METHOD_NOT_IMPLEMENTED: define(501, 'client', false, 'The method is not supported.'),
  TRANSFER_CODING_NOT_IMPLEMENTED: define(501, 'client', false, 'The transfer coding is not supported.'),
  OBJECT_MISSING: define(502, 'bucket', true, 'A file of this deployment is missing.'),
  BAD_MANIFEST: define(502, 'control-api', false, 'This deployment has an unusable manifest.'),
  RUNNER_UNREACHABLE: define(502, 'runner', true, 'The function could not be reached.'),
  RUNNER_BROKE_OFF: define(502, 'runner', true, 'The function broke off before it answered.'),
  CONTROL_API_FAILED: define(503, 'control-api', true, 'The site could not be looked up just now.'),
  BUCKET_FAILED: define(503, 'bucket', true, 'The file could not be read just now.'),
  OVERLOADED: define(503, 'edge', true, 'Too much work at once; try again shortly.'),
  DRAINING: define(503, 'edge', true, 'This server is shutting down; try again.'),
  RUNNER_OVERLOADED: define(503, 'runner', true, 'The function has too much work just now.'),
  CACHE_FAILED: define(503, 'cache', true, 'The cache could not be used.'),
  ONLY_IF_CACHED: define(504, 'client', false, 'No stored response satisfies only-if-cached.'),
  RUNNER_TIMEOUT: define(504, 'runner', true, 'The function did not answer in time.'),
};

/**
 * A failure with a code from the table. `message` is for the log and may name internals; a client only ever
 * sees the code and the text of the table.
 */
export class EdgeError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, options: { detail?: string; cause?: unknown } = {}) {
    super(options.detail ?? ERRORS[code].text, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'EdgeError';
    this.code = code;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** Any thrown value as an EdgeError: an unknown one becomes INTERNAL and keeps its cause for the log. */
export function toEdgeError(error: unknown): EdgeError {
  return error instanceof EdgeError
    ? error
    : new EdgeError('INTERNAL', { cause: error, detail: messageOf(error) });
}

/** One line about any thrown value, for logs. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  if (error instanceof Error) return error.message === '' ? error.name : error.message;
  try {
    return String(error);
  } catch {
    // An object that cannot become text, such as one without a prototype.
    return 'an unknown value was thrown';
  }
}
