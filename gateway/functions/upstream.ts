import type { FunctionResource } from '../../contracts/manifest.ts';
import { resourceKey } from '../../contracts/object-keys.ts';
import { EdgeError } from '../../core/errors.ts';
import type {
  FunctionCall,
  FunctionReply,
  RunnerClient,
  UpgradeReply,
} from '../../runner-client/runner-client.ts';
import type { Exchange } from '../exchange.ts';
import type { CompiledSite } from '../site/compile-site.ts';
import { forwardedHeaders, type TrustedProxies } from './forwarded.ts';
import { isInternalPath } from './internal-path.ts';
import type { MetadataReader } from './read-metadata.ts';
import { requestHeaders, upgradeHeaders } from './upstream-headers.ts';
import { uploadOf } from './upload.ts';

/** A function call that is complete but for its lifetime: what a cache may change, keep, or send a second time. */
export type UpstreamCall = Omit<FunctionCall, 'signal' | 'onInformational'>;

/** How long a call lasts, and who hears of interim responses. */
export type CallLifetime = Pick<FunctionCall, 'signal' | 'onInformational'>;

/** The way from a request to the raw reply of its function. */
export type Upstream = {
  /**
   * What the function is going to be called with. Nothing is sent and no byte of the body is read yet.
   *
   * @throws EdgeError NOT_FOUND, BODY_TOO_LARGE or EXPECTATION_FAILED.
   */
  prepare(exchange: Exchange, site: CompiledSite, resource: FunctionResource): Promise<UpstreamCall>;
  /** The reply as it came: any status, end-to-end headers, the body streamed. Throws what RunnerClient throws. */
  fetch(call: UpstreamCall, lifetime: CallLifetime): Promise<FunctionReply>;
  /** The same for a protocol upgrade. */
  upgrade(call: UpstreamCall, lifetime: CallLifetime): Promise<UpgradeReply>;
};

export type UpstreamParts = {
  runner: RunnerClient;
  readMetadata: MetadataReader;
  trustedProxies: TrustedProxies;
  /** Largest request body, bytes; more is 413. */
  maxBodyBytes: number;
};

export function createUpstream(parts: UpstreamParts): Upstream {
  return {
    prepare: (exchange, site, resource) => prepare(parts, exchange, site, resource),
    fetch: (call, lifetime) => parts.runner.call({ ...call, ...lifetime }),
    upgrade: (call, lifetime) => parts.runner.upgrade({ ...call, ...lifetime }),
  };
}

/** The call with some headers replaced (names in lower case): conditional requests of a cache, say. */
export function withHeaders(call: UpstreamCall, replaced: Readonly<Record<string, string>>): UpstreamCall {
  const kept = call.headers.filter(([name]) => !(name.toLowerCase() in replaced));
  return { ...call, headers: [...kept, ...Object.entries(replaced)] };
}

/** What a function sees of a client: its headers, less what is for this hop or the platform's to say, and its address. */
export function clientHeaders(exchange: Exchange, trusted: TrustedProxies): [string, string][] {
  return [...requestHeaders(exchange.incoming), ...forwardedHeaders(exchange, trusted)];
}

async function prepare(
  parts: UpstreamParts,
  exchange: Exchange,
  site: CompiledSite,
  resource: FunctionResource,
): Promise<UpstreamCall> {
  const { incoming, target, isUpgrade } = exchange;
  const { deploymentId, projectId } = site.record;
  const functionKey = resourceKey(site.record, resource);
  if (functionKey === undefined || isInternalPath(target.rawPath)) throw new EdgeError('NOT_FOUND');
  const body = isUpgrade ? null : uploadOf(exchange, parts.maxBodyBytes);
  const metadata = await parts.readMetadata(deploymentId);
  return {
    deploymentId,
    projectId,
    functionKey,
    functionHash: resource.hash,
    metadata,
    requestId: exchange.id,
    method: exchange.method,
    target: target.rawPath + target.search,
    headers: [
      ...clientHeaders(exchange, parts.trustedProxies),
      ...(isUpgrade ? upgradeHeaders(incoming) : []),
    ],
    body,
  };
}
