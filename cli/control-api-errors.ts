import type { ApiError } from '../contracts/control-api.ts';
import { CliError, EXIT, listProblems, type ExitCode } from './cli-error.ts';

/** An answer of the control API that is no success. */
export class ApiRefusalError extends CliError {
  readonly status: number;
  /** Hashes still to be uploaded, when that is what is wrong. */
  readonly missing: readonly string[];
  readonly requestId: string;

  constructor(status: number, error: ApiError['error']) {
    super(error.code, withDetails(error), { exitCode: exitCodeOf(status), hint: hintFor(status) });
    this.name = 'ApiRefusalError';
    this.status = status;
    this.missing = error.missing ?? [];
    this.requestId = error.requestId;
  }
}

export function refusedBy(status: number, error: ApiError['error']): ApiRefusalError {
  return new ApiRefusalError(status, error);
}

/** The control API could not be reached, did not answer in time, or the connection broke. */
export function unreachable(apiUrl: string, cause: unknown, method: string = 'GET'): CliError {
  if (isAbort(cause)) {
    // What was sent cannot be taken back.
    const rest = method === 'GET' ? '' : ' The control API may have done what it was asked for.';
    return new CliError('INTERRUPTED', `Interrupted.${rest}`, { cause });
  }
  return new CliError(
    'UNREACHABLE',
    `The control API at ${apiUrl} could not be reached: ${explain(cause)}.`,
    {
      exitCode: EXIT.unreachable,
      hint: 'Is it running, and is the address right (--api-url, ORIGAN_API_URL, or origan login)?',
      cause,
    },
  );
}

/** Something answered, but not as a control API does: a wrong address, a proxy in between, another version. */
export function unusableAnswer(apiUrl: string, what: string, status?: number): CliError {
  const mayPass = status !== undefined && [408, 429, 502, 503, 504].includes(status);
  return new CliError(
    mayPass ? 'UNAVAILABLE' : 'BAD_ANSWER',
    `${apiUrl} did not answer as a control API: ${what}.`,
    {
      exitCode: EXIT.unreachable,
      hint: 'Check the address (--api-url, ORIGAN_API_URL); docs/cli.md says what belongs there.',
    },
  );
}

function withDetails({ message, details }: ApiError['error']): string {
  // A message that names them already need not be followed by them.
  const rest = (details ?? []).filter((problem) => !message.includes(problem));
  return rest.length === 0 ? message : `${message}\n${listProblems(rest)}`;
}

function exitCodeOf(status: number): ExitCode {
  switch (status) {
    case 400:
    case 422:
      return EXIT.usage;
    case 401:
    case 403:
      return EXIT.denied;
    case 404:
      return EXIT.notFound;
    case 409:
    case 412:
      return EXIT.conflict;
    default:
      return EXIT.failed;
  }
}

function hintFor(status: number): string | undefined {
  if (status === 401) return 'Run origan login, or set ORIGAN_TOKEN to a valid token.';
  return status === 403 ? 'Ask an owner of the organization for the right, or use another token.' : undefined;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the host name could not be looked up',
  ENETUNREACH: 'there is no network',
  EHOSTUNREACH: 'the host is unreachable',
  ETIMEDOUT: 'it did not answer in time',
  UND_ERR_CONNECT_TIMEOUT: 'it did not accept a connection in time',
  UND_ERR_HEADERS_TIMEOUT: 'it did not answer in time',
  UND_ERR_BODY_TIMEOUT: 'the answer stopped half-way',
  UND_ERR_SOCKET: 'the connection broke',
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'its certificate is self-signed (NODE_EXTRA_CA_CERTS names your own authority)',
  SELF_SIGNED_CERT_IN_CHAIN:
    'its certificate is from an authority that is not trusted here (NODE_EXTRA_CA_CERTS names your own)',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its certificate is from an authority that is not trusted here (NODE_EXTRA_CA_CERTS names your own)',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'its certificate is from an authority that is not trusted here (NODE_EXTRA_CA_CERTS names your own)',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: is the clock of this machine right?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it speaks no TLS there (http:// instead of https://?)',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it speaks no TLS there (http:// instead of https://?)',
};

function explain(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return explain(cause.errors[0]);
  if (!(cause instanceof Error)) return String(cause);
  if (cause.name === 'TimeoutError') return 'it did not answer in time';
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  return REASONS[code] ?? cause.message;
}
