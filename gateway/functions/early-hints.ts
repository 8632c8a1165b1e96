import type { FunctionCall } from '../../runner-client/runner-client.ts';
import type { Exchange } from '../exchange.ts';
import { responseHeaders } from './upstream-headers.ts';

const EARLY_HINTS = 103;

/**
 * Forwards 103 (RFC 8297) to the client as it comes; every other interim response is about the hop to the runner and is
 * dropped (RFC 9110 section 15.2). An HTTP/1.0 client would take any of them for the answer.
 */
export function forwardEarlyHints({
  incoming,
  outgoing,
}: Exchange): NonNullable<FunctionCall['onInformational']> {
  const understands1xx = incoming.httpVersionMinor >= 1;
  return (status, headers) => {
    if (status !== EARLY_HINTS || !understands1xx || outgoing.headersSent || outgoing.destroyed) return;
    outgoing.writeInformation(status, responseHeaders(headers));
  };
}
