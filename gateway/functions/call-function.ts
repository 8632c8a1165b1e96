import { PassThrough, type Readable } from 'node:stream';
import type { FunctionResource } from '../../contracts/manifest.ts';
import { resourceKey } from '../../contracts/object-keys.ts';
import { EdgeError } from '../../core/errors.ts';
import { INTERNAL_PATH_PREFIX } from '../../runner-client/contract.ts';
import type { FunctionCall, FunctionReply, RunnerClient } from '../../runner-client/runner-client.ts';
import type { Answer, Exchange } from '../exchange.ts';
import type { CompiledSite } from '../site/compile-site.ts';
import { forwardedHeaders, type TrustedProxies } from './forwarded.ts';
import type { MetadataReader } from './read-metadata.ts';
import { requestHeaders, responseHeaders } from './upstream-headers.ts';

export type FunctionCaller = {
  call(exchange: Exchange, site: CompiledSite, resource: FunctionResource): Promise<Answer>;
};

export type FunctionCallerParts = {
  runner: RunnerClient;
  readMetadata: MetadataReader;
  trustedProxies: TrustedProxies;
  maxBodyBytes: number;
};

/** Proxies a request to its function and the function's answer to the client, both streamed. */
export function createFunctionCaller(parts: FunctionCallerParts): FunctionCaller {
  return {
    call: async (exchange, site, resource) => {
      exchange.event.route = 'function';
      exchange.event.cache = 'bypass';
      const call = await toCall(parts, exchange, site, resource);
      const reply = await parts.runner.call(call);
      return toAnswer(exchange, reply);
    },
  };
}

async function toCall(
  parts: FunctionCallerParts,
  exchange: Exchange,
  site: CompiledSite,
  resource: FunctionResource,
): Promise<FunctionCall> {
  const { deploymentId, projectId } = site.record;
  const functionKey = resourceKey(site.record, resource);
  if (functionKey === undefined || exchange.target.rawPath.startsWith(INTERNAL_PATH_PREFIX)) {
    throw new EdgeError('NOT_FOUND');
  }
  const metadata = await parts.readMetadata(deploymentId);
  const abort = new AbortController();
  exchange.outgoing.once('close', () => abort.abort());
  if (exchange.outgoing.destroyed) abort.abort();
  return {
    deploymentId,
    projectId,
    functionKey,
    functionHash: resource.hash,
    metadata,
    requestId: exchange.id,
    method: exchange.method,
    target: exchange.target.rawPath + exchange.target.search,
    headers: [...requestHeaders(exchange.incoming), ...forwardedHeaders(exchange, parts.trustedProxies)],
    body: bodyOf(exchange, parts.maxBodyBytes),
    signal: abort.signal,
  };
}

/** The request's body, counted as it passes: more than the limit ends the call with 413. */
function bodyOf({ incoming, outgoing }: Exchange, maxBytes: number): Readable | null {
  const { 'content-length': length, 'transfer-encoding': coding, expect } = incoming.headers;
  if (coding === undefined && (length === undefined || length === '0')) return null;
  if (Number(length ?? 0) > maxBytes) throw new EdgeError('BODY_TOO_LARGE');
  if (expect?.toLowerCase() === '100-continue') outgoing.writeContinue();
  let seen = 0;
  const counted = new PassThrough();
  incoming.on('data', (chunk: Buffer) => {
    seen += chunk.length;
    if (seen > maxBytes) counted.destroy(new EdgeError('BODY_TOO_LARGE'));
  });
  incoming.once('error', (error) => counted.destroy(error));
  return incoming.pipe(counted);
}

function toAnswer(exchange: Exchange, reply: FunctionReply): Answer {
  const headers = responseHeaders(reply.headers);
  headers.push('Via', '1.1 origan-edge');
  headers.push('Cache-Status', `origan-edge; fwd=bypass; fwd-status=${reply.status}`);
  headers.push('X-Origan-Request-Id', exchange.id);
  return { status: reply.status, headers, body: reply.body };
}
