import { createServer, type Server, type ServerOptions } from 'node:https';
import type { SecureContext } from 'node:tls';
import { MIN_VERSION } from './credential.ts';
import type { Credentials } from './credentials.ts';

/**
 * Node's HTTPS server with a certificate for each name. A name without one ends its handshake: answering with another
 * name's would be a warning page for people and a hint for others.
 *
 * @param options of the HTTP server; the handshake has to be over within its `headersTimeout`.
 */
export function createTlsServer(options: ServerOptions, credentials: Credentials): Server {
  const server = createServer({
    ...options,
    ...defaultsOf(credentials.fallback),
    minVersion: MIN_VERSION,
    handshakeTimeout: options.headersTimeout ?? 10_000,
    ALPNProtocols: ['http/1.1'],
    SNICallback: (serverName, done) => void answer(credentials, serverName, done),
  });
  credentials.onFallbackRenewed((pem) => server.setSecureContext(defaultsOf(pem)));
  return server;
}

type Done = (error: Error | null, context?: SecureContext) => void;

async function answer(credentials: Credentials, serverName: string, done: Done): Promise<void> {
  const context = await credentials.contextFor(serverName);
  if (context === undefined) done(new Error('no certificate is for this name'));
  else done(null, context);
}

/** Clients that name no host (no SNI, or an address) get the file's certificate. */
function defaultsOf(pem: Credentials['fallback']): { cert?: string; key?: string } {
  return pem === undefined ? {} : { cert: pem.certificate, key: pem.key };
}
