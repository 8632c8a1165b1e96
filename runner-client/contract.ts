/** How a runner is called: Origan's contract, and what ours adds. Header names are lower case, as Node gives them. */

/** Required: the deployment's id. */
export const DEPLOYMENT_ID_HEADER = 'x-origan-deployment-id';
/** Required: the project's id. */
export const PROJECT_ID_HEADER = 'x-origan-project-id';
/** Required: the full key of the function's code in the bucket. */
export const FUNCTION_PATH_HEADER = 'x-origan-function-path';
/** SHA-256 (hex) of the code: the runner validates its disk copy without asking anyone. */
export const FUNCTION_HASH_HEADER = 'x-origan-function-hash';
/** The deployment's environment: base64url of the metadata's JSON; absent past 8 KiB, see METADATA_REF_HEADER. */
export const METADATA_HEADER = 'x-origan-metadata';
/** `cache`: the metadata was too large for a header; read `deployment:{id}:metadata`, then the bucket. */
export const METADATA_REF_HEADER = 'x-origan-metadata-ref';
/** HMAC-SHA-256 over the headers above when RUNNER_SHARED_SECRET is set: `t=<ms since the epoch>,v1=<hex>`. */
export const SIGNATURE_HEADER = 'x-origan-signature';
/** Correlates the lines of gateway, runner and function. */
export const REQUEST_ID_HEADER = 'x-origan-request-id';

/**
 * In place of FUNCTION_PATH_HEADER: get this function ready and answer 204 without calling it. A runner that does not
 * know it finds a required header missing, and runs nothing.
 */
export const PREFETCH_HEADER = 'x-origan-prefetch';

/** Set by the runner on every answer: that it knows PREFETCH_HEADER. Removed by its caller. */
export const RUNNER_HEADER = 'x-origan-runner';

/** Prefix of every header that only the platform may set: removed from what clients send. */
export const PLATFORM_HEADER_PREFIX = 'x-origan-';

/** Path on which the runner takes its isolates' log lines: must be unreachable through the edge. */
export const INTERNAL_PATH_PREFIX = '/__origan/';

/** Largest value of METADATA_HEADER, in bytes. */
export const MAX_METADATA_HEADER_BYTES = 8192;

/**
 * Set by the runner, and only by it, on answers that are its own and not the function's: see RunnerErrorReason.
 * The runner removes it from what functions answer, so that none can forge it.
 */
export const RUNNER_ERROR_HEADER = 'x-origan-runner-error';

/**
 * Why the runner answered in place of the function. `overloaded` and `draining` (503): the function was not started.
 * `timeout` (500): it did not answer in time or its loop was stuck. `failed` (500): it threw, crashed or did not load.
 * `refused` (400, 403): the call itself was wrong.
 */
export type RunnerErrorReason = 'overloaded' | 'draining' | 'timeout' | 'failed' | 'refused';

/** The headers that SIGNATURE_HEADER covers, in the order in which they are signed. */
export const SIGNED_HEADERS: readonly string[] = [
  DEPLOYMENT_ID_HEADER,
  PROJECT_ID_HEADER,
  FUNCTION_PATH_HEADER,
  FUNCTION_HASH_HEADER,
  METADATA_HEADER,
  METADATA_REF_HEADER,
  REQUEST_ID_HEADER,
  PREFETCH_HEADER,
];
