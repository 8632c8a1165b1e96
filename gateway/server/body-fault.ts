/**
 * Event on an IncomingMessage, with an EdgeError: its body cannot be read to its end (malformed, or it stopped coming),
 * but the connection can still carry an answer. Destroying the message instead would take the connection with it.
 */
export const BODY_FAULT: unique symbol = Symbol('body fault');
