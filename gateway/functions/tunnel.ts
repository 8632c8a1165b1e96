import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FlatHeaders } from '../exchange.ts';
import { releaseHandshake } from '../server/handshake.ts';
import { formatRawHead } from '../server/raw-answer.ts';

/** How often the system asks a silent peer whether it is still there, milliseconds. */
const PROBE_MS = 60_000;

/**
 * Sends the head of a 101 answer and connects the client's socket with the function's, until either ends. `outgoing` has
 * checked the headers and is done with; its flushHeaders would write them as UTF-8, and so change what is no ASCII.
 */
export function joinTunnel(
  outgoing: ServerResponse,
  headers: FlatHeaders,
  tunnel: { socket: Duplex; head: Buffer },
): void {
  const client = outgoing.req.socket;
  const { socket: upstream, head } = tunnel;
  outgoing.detachSocket(client);
  releaseHandshake(client);
  client.write(formatRawHead(outgoing.statusCode, headers));
  if (head.length > 0) client.write(head);
  connect(client, upstream);
  connect(upstream, client);
  // A tunnel may be silent for ever, but not after its peer has vanished.
  for (const socket of [client, upstream]) if (isSocket(socket)) socket.setKeepAlive(true, PROBE_MS);
}

function connect(from: Duplex, to: Duplex): void {
  from.on('error', () => to.destroy());
  from.once('close', () => {
    // What was sent before the end still arrives.
    if (to.writable) to.end();
    else to.destroy();
  });
  from.pipe(to);
}

function isSocket(stream: Duplex): stream is Socket {
  return 'setKeepAlive' in stream;
}
