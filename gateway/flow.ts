import { options, redirect, refused } from './answer-directly.ts';
import type { Edge } from './edge.ts';
import type { Answer, Exchange } from './exchange.ts';
import { publicOrigin } from './functions/forwarded.ts';
import { maxForwards } from './functions/max-forwards.ts';
import type { CompiledSite } from './site/compile-site.ts';
import { editAnswer, editOwnAnswer } from './site/edit-answer.ts';
import { matchRoute, type FunctionRoute } from './site/match-route.ts';
import type { Origin } from './site/redirects.ts';
import { markPinned, type Found } from './site/skew-protection.ts';

/** Of a function that does not say. */
const USUAL_METHODS = 'GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE';

/**
 * The life of a request: which build the host shows, what of that build answers, and the answer. Steps that fail
 * throw an EdgeError, which `handle-request.ts` turns into a response.
 */
export async function answer(edge: Edge, exchange: Exchange): Promise<Answer> {
  const { target, method, headers } = exchange;
  const challenge = edge.challenges.answer(exchange);
  const proof = challenge && (await challenge);
  if (proof !== undefined) return proof;
  const present = await edge.sites.resolve(exchange);
  const { site, by } = await edge.skew.pin(exchange, present);
  const origin = (): Origin => publicOrigin(exchange, edge.trustedProxies);
  const route = matchRoute(site, { ...target, method, headers, origin });
  const found = await edge.skew.findMissing(exchange, present, { site, route });
  return markPinned(exchange, present, { by, found, answer: await answerWith(edge, exchange, found) });
}

async function answerWith(edge: Edge, exchange: Exchange, { site, route }: Found): Promise<Answer> {
  switch (route.kind) {
    case 'file':
      exchange.event.route = route.status === 404 ? 'not-found' : 'static';
      return edge.files.serve(exchange, site, route);
    case 'function':
      // RFC 9110 section 7.6.2: the last hop that it may reach is this one.
      if (maxForwards(exchange) === 0) return inNameOf(site, exchange, options(exchange, allowOf(route)));
      return callFunction(edge, exchange, site, route);
    case 'redirect':
      return inNameOf(site, exchange, redirect(exchange, site, route));
    case 'options':
      return inNameOf(site, exchange, options(exchange, route.allow));
    case 'wrong-method':
      return inNameOf(site, exchange, refused(exchange, 'METHOD_NOT_ALLOWED', ['Allow', route.allow]));
    case 'not-found':
      exchange.event.route = 'not-found';
      return inNameOf(site, exchange, refused(exchange, 'NOT_FOUND'));
    default:
      return route satisfies never;
  }
}

function allowOf({ resource: { methods = [] } }: FunctionRoute): string {
  return methods.length === 0 ? USUAL_METHODS : methods.join(', ').toUpperCase();
}

function inNameOf(site: CompiledSite, { target: { path } }: Exchange, reply: Answer): Answer {
  // `*` is the server, whatever its sites set.
  if (path === '*') return reply;
  const entry = site.paths.get(path);
  return editOwnAnswer(reply, site, { path, file: entry?.kind === 'file' ? entry.file : undefined });
}

/** A rewrite shows itself to the function as the path and query that it was rewritten to. */
async function callFunction(
  edge: Edge,
  exchange: Exchange,
  site: CompiledSite,
  { resource, rewritten }: FunctionRoute,
): Promise<Answer> {
  const target = { ...exchange.target, ...rewritten };
  const reply = await edge.functions.call({ ...exchange, target }, site, resource);
  return editAnswer(reply, site, { resource, path: exchange.target.path });
}
