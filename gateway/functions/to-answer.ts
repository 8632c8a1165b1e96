import type { FunctionReply, UpgradeReply } from '../../runner-client/runner-client.ts';
import type { Answer, Exchange } from '../exchange.ts';
import { withoutFields } from '../header-fields.ts';
import { FIELDS_FOR_THE_EDGE } from './fields-for-the-edge.ts';
import { responseHeaders } from './upstream-headers.ts';

/**
 * A function's reply as the answer: status, end-to-end headers and body untouched, whatever they are, but for what is said to
 * the edge alone.
 *
 * @param cacheStatus what to say in Cache-Status after `origan-edge; ` (RFC 9211).
 */
export function toAnswer(exchange: Exchange, reply: FunctionReply, cacheStatus: string): Answer {
  const headers = responseHeaders(withoutFields(reply.headers, FIELDS_FOR_THE_EDGE), reply.status);
  headers.push('Via', '1.1 origan-edge');
  headers.push('Cache-Status', `origan-edge; ${cacheStatus}`);
  headers.push('X-Origan-Request-Id', exchange.id);
  return { status: reply.status, headers, body: reply.body };
}

/** 101 (RFC 9110 section 15.2.2): the answer's head, then bytes both ways. */
export function toTunnel(
  exchange: Exchange,
  { headers: received, socket, head }: Extract<UpgradeReply, { kind: 'switched' }>,
): Answer {
  const protocol = received.find(([name]) => name.toLowerCase() === 'upgrade')?.[1];
  const headers = responseHeaders(received);
  headers.push('Connection', 'Upgrade', 'Upgrade', protocol ?? String(exchange.headers.upgrade));
  headers.push('X-Origan-Request-Id', exchange.id);
  return { status: 101, headers, body: null, tunnel: { socket, head } };
}
