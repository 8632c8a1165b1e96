import type { Exchange } from '../exchange.ts';

/** Fires when the client leaves, or has its answer: what still runs upstream for this request alone may end. */
export function clientSignal({ outgoing }: Exchange): AbortSignal {
  const abort = new AbortController();
  if (outgoing.destroyed) abort.abort();
  else outgoing.once('close', () => abort.abort());
  return abort.signal;
}
