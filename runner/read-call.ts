import type { IncomingMessage } from 'node:http';
import { isSafeId, whyUnsafePath } from '../core/object-path.ts';
import {
  DEPLOYMENT_ID_HEADER,
  FUNCTION_HASH_HEADER,
  FUNCTION_PATH_HEADER,
  METADATA_HEADER,
  PREFETCH_HEADER,
  PROJECT_ID_HEADER,
  SIGNATURE_HEADER,
} from '../runner-client/contract.ts';
import { verifySignature } from '../runner-client/signature.ts';

/** Which function a request is for. */
export type FunctionTarget = {
  projectId: string;
  deploymentId: string;
  /** Full key of the code in the store. */
  functionKey: string;
  /** SHA-256 (hex) of the code, where the caller knows it. */
  functionHash: string | undefined;
  /** Base64url JSON of the deployment's metadata; undefined where it has to be looked up. */
  metadata: string | undefined;
};

export type ReadCall =
  | { kind: 'call' | 'prefetch'; target: FunctionTarget }
  /** None of the three headers: not a call of a function at all. */
  | { kind: 'not-a-call' }
  | { kind: 'refused'; status: 400 | 403; text: string };

const HASH = /^[0-9a-f]{64}$/;

/** Reads and checks the platform's headers. */
export function readCall(request: IncomingMessage, secret: string | undefined, nowMs: number): ReadCall {
  const read = (name: string): string | undefined => headerOf(request, name);
  const wished = read(PREFETCH_HEADER);
  const [functionPath, deploymentId, projectId] = [
    read(FUNCTION_PATH_HEADER) ?? wished,
    read(DEPLOYMENT_ID_HEADER),
    read(PROJECT_ID_HEADER),
  ];
  if (isNothing(functionPath) && isNothing(deploymentId) && isNothing(projectId))
    return { kind: 'not-a-call' };
  if (isNothing(functionPath) || isNothing(deploymentId) || isNothing(projectId)) {
    return { kind: 'refused', status: 400, text: 'Missing required headers' };
  }
  if (secret !== undefined && verifySignature(secret, read, read(SIGNATURE_HEADER), nowMs) !== 'valid') {
    return { kind: 'refused', status: 403, text: 'Forbidden' };
  }
  const target = {
    projectId,
    deploymentId,
    functionKey: Buffer.from(functionPath, 'latin1').toString('utf8'),
    functionHash: read(FUNCTION_HASH_HEADER),
    metadata: read(METADATA_HEADER),
  };
  const problem = whyMalformed(target);
  if (problem !== undefined) return { kind: 'refused', status: 400, text: problem };
  return { kind: wished === undefined ? 'call' : 'prefetch', target };
}

/** Nobody upstream checks ids and keys: one that could reach another deployment's code or files ends here. */
function whyMalformed({
  projectId,
  deploymentId,
  functionKey,
  functionHash,
}: FunctionTarget): string | undefined {
  if (!isSafeId(deploymentId)) return 'Malformed deployment id';
  if (!isSafeId(projectId)) return 'Malformed project id';
  const own = [`deployments/${deploymentId}/`, `projects/${projectId}/`];
  if (whyUnsafePath(functionKey) !== undefined || !own.some((prefix) => functionKey.startsWith(prefix))) {
    return 'Malformed function path';
  }
  if (functionHash !== undefined && !HASH.test(functionHash)) return 'Malformed function hash';
  return undefined;
}

// Node joins repeated fields with a comma, which none of these values can contain: a repeated one is malformed.
function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

function isNothing(value: string | undefined): value is undefined | '' {
  return value === undefined || value === '';
}
