import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';

export type RequestHandler = (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>;

/**
 * The handler behind Hono. The adapter refuses hosts and targets that do not fit a URL before any handler is called; they
 * go to the same handler all the same, so that the flow alone decides what they are answered.
 */
export function toListener(
  handle: RequestHandler,
): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  let arriving: { incoming: IncomingMessage; outgoing: ServerResponse } | undefined;
  const app = new Hono<{ Bindings: HttpBindings }>();
  app.all('*', async ({ env }) => {
    await handle(env.incoming, env.outgoing);
    return RESPONSE_ALREADY_SENT;
  });
  // Not what Hono makes of it: for HEAD that is a copy, and where another server of the process has replaced the global
  // Response, the adapter takes the copy for an answer that is still to be sent.
  const fetch = async (request: Request, env: object): Promise<Response> => {
    await app.fetch(request, env);
    return RESPONSE_ALREADY_SENT;
  };
  const listener = getRequestListener(fetch, {
    overrideGlobalObjects: false,
    autoCleanupIncoming: false,
    // Called while the listener below is still running: `arriving` is the request that it complains about.
    errorHandler: async () => {
      if (arriving !== undefined) await handle(arriving.incoming, arriving.outgoing);
      return RESPONSE_ALREADY_SENT;
    },
  });
  return (incoming, outgoing) => {
    arriving = { incoming, outgoing };
    void listener(incoming, outgoing);
    arriving = undefined;
  };
}
