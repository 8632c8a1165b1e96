import type { IncomingMessage, ServerResponse } from 'node:http';
import { normalizeHost } from '../core/host.ts';
import type { Edge } from './edge.ts';
import { nextRequestId } from './request-id.ts';

/** Hosts as sent, with what they are normalised to; bounded, since anybody may send any. */
const MAX_KNOWN_HOSTS = 10_000;

/** Answers a request at once if memory has everything ready; false: the flow has to, and nothing has been done. */
export type MemoryAnswerer = (incoming: IncomingMessage, outgoing: ServerResponse) => boolean;

/**
 * The short way of a hit: no promise, no second pass over the headers, one look-up each for host, path and bytes. Whatever
 * is in any way unusual goes through the flow, which answers a hit with the same bytes for about twice the CPU.
 */
export function createMemoryAnswerer(edge: Edge): MemoryAnswerer {
  const knownHosts = new Map<string, string>();
  const normalize = (sent: string): string | undefined => {
    const known = knownHosts.get(sent);
    if (known !== undefined) return known;
    const host = normalizeHost(sent);
    if (knownHosts.size >= MAX_KNOWN_HOSTS) knownHosts.clear();
    if (host !== undefined) knownHosts.set(sent, host);
    return host;
  };
  return (incoming, outgoing) => {
    const { method = '', url = '', headers } = incoming;
    if (!isPlain(incoming)) return false;
    const host = normalize(headers.host ?? '');
    const site = host === undefined ? undefined : edge.sites.peek(host);
    if (site === undefined) return false;
    const id = nextRequestId();
    const reply = edge.files.fromMemory(site, { id, method, url, headers });
    if (reply === undefined) return false;
    const event = edge.recorder.begin();
    // writeHead takes a flat list of names and values; its types know only the mutable form.
    outgoing.writeHead(reply.status, reply.headers as string[]);
    outgoing.end(method === 'HEAD' ? null : reply.body);
    event.route = 'static';
    event.cache = 'hit';
    event.mapping = 'near';
    event.deploymentId = site.record.deploymentId;
    event.projectId = site.record.projectId;
    // Recorded now and not at the end: what is left is the kernel's, and waiting for it costs a tenth of a hit.
    edge.recorder.end(event, {
      id,
      method,
      host: headers.host ?? '',
      path: url,
      status: reply.status,
      isAborted: false,
    });
    return true;
  };
}

/** No body, nothing to be waited for, and one Host: Node keeps the first of several and the flow refuses them. */
function isPlain({ headers, rawHeaders }: IncomingMessage): boolean {
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) return false;
  if (headers.expect !== undefined) return false;
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (name.length === 4 && (name === 'Host' || name.toLowerCase() === 'host')) hosts += 1;
  }
  return hosts === 1;
}
