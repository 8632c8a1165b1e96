import type { IncomingMessage, ServerResponse } from 'node:http';
import { normalizeHostField } from '../core/host.ts';
import type { Edge } from './edge.ts';
import type { Exchange } from './exchange.ts';
import { functionFromMemory } from './function-from-memory.ts';
import { readTarget } from './read-target.ts';
import { nextRequestId } from './request-id.ts';
import type { ReadyAnswer } from './server/ready-answer.ts';

/** Hosts as sent, with what they are normalised to; bounded, since anybody may send any. */
const MAX_KNOWN_HOSTS = 10_000;

/** The answer to a request, recorded, if memory has everything ready; undefined: the flow has to answer. */
export type MemoryAnswerer = (incoming: IncomingMessage, outgoing: ServerResponse) => ReadyAnswer | undefined;

/**
 * The short way of a hit: no promise, no second pass over the headers; of a file one look-up each for host, path and bytes.
 * Whatever is in any way unusual goes through the flow, which answers a hit with the same bytes for about twice the CPU.
 */
export function createMemoryAnswerer(edge: Edge): MemoryAnswerer {
  const knownHosts = new Map<string, string>();
  const normalize = (sent: string): string | undefined => {
    const known = knownHosts.get(sent);
    if (known !== undefined) return known;
    const host = normalizeHostField(sent);
    if (knownHosts.size >= MAX_KNOWN_HOSTS) knownHosts.clear();
    if (host !== undefined) knownHosts.set(sent, host);
    return host;
  };
  return (incoming, outgoing) => {
    const { method = '', url = '', headers } = incoming;
    if (!isPlain(incoming)) return undefined;
    const host = normalize(headers.host ?? '');
    const site = host === undefined ? undefined : edge.sites.peek(host);
    if (site === undefined) return undefined;
    const id = nextRequestId();
    const event = edge.recorder.begin();
    event.route = 'static';
    event.cache = 'hit';
    const reply =
      edge.files.fromMemory(site, { id, method, url, headers }) ??
      functionFromMemory(edge, toExchange({ id, event, incoming, outgoing }), site);
    if (reply === undefined) return undefined;
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
    return reply;
  };
}

type Arrival = Pick<Exchange, 'id' | 'event' | 'incoming' | 'outgoing'>;

/** Undefined: the flow says what is wrong with the target. */
function toExchange(arrival: Arrival): Exchange | undefined {
  const { method = '', headers } = arrival.incoming;
  try {
    return { ...arrival, method, headers, isUpgrade: false, target: readTarget(arrival.incoming) };
  } catch {
    return undefined;
  }
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
