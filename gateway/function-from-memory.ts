import { isChallengePath } from './answer-challenge.ts';
import type { Edge } from './edge.ts';
import type { Answer, Exchange } from './exchange.ts';
import { publicOrigin } from './functions/forwarded.ts';
import { readyHead, type ReadyAnswer } from './server/ready-answer.ts';
import type { CompiledSite } from './site/compile-site.ts';
import { editAnswer } from './site/edit-answer.ts';
import { matchRoute } from './site/match-route.ts';
import type { Origin } from './site/redirects.ts';
import { isForPresent } from './site/skew-protection.ts';

/**
 * The answer to a request for a function whose response is stored in memory: the steps of the flow that need no waiting, in its
 * order. Undefined for whatever is unusual: then the flow answers, with the same bytes.
 */
export function functionFromMemory(
  edge: Edge,
  exchange: Exchange | undefined,
  site: CompiledSite,
): ReadyAnswer | undefined {
  if (exchange === undefined) return undefined;
  const { target, method, headers } = exchange;
  if (method !== 'GET' && method !== 'HEAD') return undefined;
  if (isChallengePath(target.path) || !isForPresent(exchange, site)) return undefined;
  const origin = (): Origin => publicOrigin(exchange, edge.trustedProxies);
  const route = matchRoute(site, { ...target, method, headers, origin });
  if (route.kind !== 'function') return undefined;
  const { resource, rewritten } = route;
  const asked = rewritten === undefined ? exchange : { ...exchange, target: { ...target, ...rewritten } };
  const reply = edge.functions.fromMemory?.(asked, site, resource);
  return reply && toReady(editAnswer(reply, site, { resource, path: target.path }), method);
}

function toReady({ status, headers, body }: Answer, method: string): ReadyAnswer | undefined {
  if (body !== null && !Buffer.isBuffer(body)) return undefined;
  const head = readyHead(status, headers);
  return head && { status, ...head, body: method === 'HEAD' ? null : body };
}
