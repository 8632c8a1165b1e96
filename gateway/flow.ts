import { EdgeError } from '../core/errors.ts';
import type { Edge } from './edge.ts';
import type { Answer, Exchange } from './exchange.ts';
import { matchRoute } from './site/match-route.ts';

/**
 * The life of a request: which build the host shows, what of that build answers, and the answer. Steps that fail
 * throw an EdgeError, which `handle-request.ts` turns into a response.
 */
export async function answer(edge: Edge, exchange: Exchange): Promise<Answer> {
  const { target, method, headers } = exchange;
  const site = await edge.sites.resolve(exchange);
  const route = matchRoute(site, { path: target.path, method, headers });
  switch (route.kind) {
    case 'file':
      exchange.event.route = route.status === 404 ? 'not-found' : 'static';
      return edge.files.serve(exchange, route.file, route.status);
    case 'function':
      return edge.functions.call(exchange, site, route.resource);
    case 'options':
      return withAllow(exchange, route.allow);
    case 'wrong-method':
      exchange.event.allow = route.allow;
      throw new EdgeError('METHOD_NOT_ALLOWED');
    case 'not-found':
      exchange.event.route = 'not-found';
      throw new EdgeError('NOT_FOUND');
    default:
      return route satisfies never;
  }
}

/** RFC 9110 section 9.3.7. */
function withAllow(exchange: Exchange, allow: string): Answer {
  exchange.event.route = 'static';
  const headers = ['Allow', allow, 'Cache-Status', 'origan-edge', 'X-Origan-Request-Id', exchange.id];
  return { status: 204, headers, body: null };
}
