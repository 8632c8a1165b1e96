import { Cluster } from 'ioredis';
import type { Client } from './scripts.ts';

/** Fields of INFO that add up over the nodes of a cluster. */
const SUMMED: ReadonlySet<string> = new Set([
  'used_memory',
  'used_memory_rss',
  'maxmemory',
  'evicted_keys',
  'expired_keys',
  'keyspace_hits',
  'keyspace_misses',
  'connected_clients',
  'oom_rejections',
]);

/** The server's INFO; of a cluster those of its primaries that answer. */
export async function askInfo(client: Client): Promise<string[]> {
  if (!(client instanceof Cluster)) return [await client.info()];
  const answers = await Promise.allSettled(client.nodes('master').map((node) => node.info()));
  const texts = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  if (texts.length === 0) throw new Error('ClusterAllFailed');
  return texts;
}

/** Its fields; those of several nodes together as if they were one server. */
export function parseInfo(texts: readonly string[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  const lines = texts.flatMap((text) => text.split(/\r?\n/));
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon === -1 || line.startsWith('#')) continue;
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1)];
    const before = fields.get(name);
    if (before === undefined) fields.set(name, value);
    // What is counted is counted together: one of several nodes, and each time another one, would mean nothing.
    else if (SUMMED.has(name)) fields.set(name, String(Number(before) + Number(value)));
  }
  return fields;
}
