import type { IncomingMessage } from 'node:http';
import type { EdgeError } from '../../core/errors.ts';

/**
 * A request's body that cannot be read to its end (malformed, or it stopped coming) while the connection can still carry
 * an answer. Destroying the message itself would take the connection with it.
 */
const faults = new WeakMap<IncomingMessage, EdgeError>();
const FAULT = Symbol('body fault');

/** Says that the body will not come. */
export function failBody(incoming: IncomingMessage, error: EdgeError): void {
  if (faults.has(incoming)) return;
  faults.set(incoming, error);
  incoming.emit(FAULT, error);
}

/** Calls the listener once, when the body fails or has failed already. */
export function onBodyFault(incoming: IncomingMessage, listener: (error: EdgeError) => void): void {
  const known = faults.get(incoming);
  if (known === undefined) incoming.once(FAULT, listener);
  else listener(known);
}
