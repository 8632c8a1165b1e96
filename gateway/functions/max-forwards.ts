import type { IncomingMessage } from 'node:http';

/** Over how many more hops a request for OPTIONS may go (RFC 9110 section 7.6.2); undefined where it does not say. */
export function maxForwards({
  method,
  headers,
}: Pick<IncomingMessage, 'method' | 'headers'>): number | undefined {
  const sent = method === 'OPTIONS' ? headers['max-forwards'] : undefined;
  return typeof sent === 'string' && /^\d{1,9}$/.test(sent) ? Number(sent) : undefined;
}
