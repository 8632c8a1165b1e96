import { createHash } from 'node:crypto';
import type { Exchange } from '../exchange.ts';
import type { TrustedProxies } from '../functions/forwarded.ts';
import { clientHeaders } from '../functions/upstream.ts';
import { withoutOverrides, withoutWordsToCaches } from './request-headers.ts';

/**
 * Everything that a function which is called for this client sees of it, its address included, as a hash that keeps what it was
 * made from to itself. Worked out when it is asked for, and once: few requests need it.
 */
export function requestDigest(exchange: Exchange, trusted: TrustedProxies): () => string {
  let known: string | undefined;
  return () => {
    known ??= digestOf(exchange, trusted);
    return known;
  };
}

function digestOf(exchange: Exchange, trusted: TrustedProxies): string {
  const reaching = withoutWordsToCaches(withoutOverrides(clientHeaders(exchange, trusted)));
  return createHash('sha256').update(JSON.stringify(reaching)).digest('base64url');
}
