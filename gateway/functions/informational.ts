import type { FunctionCall } from '../../runner-client/runner-client.ts';
import type { Exchange } from '../exchange.ts';
import { responseHeaders } from './upstream-headers.ts';

const CONTINUE = 100;

/**
 * Forwards interim responses to the client as they come, as RFC 9110 section 15.2 asks of a proxy: 103 (RFC 8297) above all,
 * 102 for those who would give up waiting. 100 is this hop's own to say, when the function begins to read. An HTTP/1.0 client
 * would take any of them for the answer.
 */
export function forwardInformational({
  incoming,
  outgoing,
}: Exchange): NonNullable<FunctionCall['onInformational']> {
  const understands1xx = incoming.httpVersionMinor >= 1;
  return (status, headers) => {
    if (status === CONTINUE || !understands1xx || outgoing.headersSent || outgoing.destroyed) return;
    outgoing.writeInformation(status, responseHeaders(headers));
  };
}
