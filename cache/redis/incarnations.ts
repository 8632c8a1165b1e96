import { createHash } from 'node:crypto';
import { Cluster, type Redis } from 'ioredis';
import { UNKNOWN_INCARNATION } from '../entry.ts';
import { toFailure } from './failure.ts';
import { hashSlot } from './hash-slot.ts';
import type { Client } from './scripts.ts';

/** For servers that do not let us ask: restarts from a snapshot then go unnoticed. */
const UNASKABLE_INCARNATION = 'noinfo--';

/** Identity of the server process that holds a key. */
export type Incarnations = (physicalName: string) => string;

/** Asks the server, or every node of the cluster, who it is. @throws when it is loading or does not answer. */
export async function learnIncarnations(client: Client): Promise<Incarnations> {
  if (client instanceof Cluster) return learnOfCluster(client);
  const incarnation = await askIdentity(client);
  return () => incarnation;
}

/** What is known of each node of a cluster, watched from the first question on. */
type KnownNodes = { learn: (node: Redis) => Promise<void>; incarnation: Incarnations };

// A circuit that opens and closes asks again and again: each cluster is watched once.
const clusters = new WeakMap<Cluster, KnownNodes>();

async function learnOfCluster(cluster: Cluster): Promise<Incarnations> {
  const known = clusters.get(cluster) ?? watchNodes(cluster);
  clusters.set(cluster, known);
  const answers = await Promise.allSettled(cluster.nodes('all').map(known.learn));
  if (answers.every((answer) => answer.status === 'rejected')) throw new Error('ClusterAllFailed');
  return known.incarnation;
}

function watchNodes(cluster: Cluster): KnownNodes {
  const identities = new Map<string, string>();
  const learn = async (node: Redis): Promise<void> => {
    identities.delete(nodeName(node));
    identities.set(nodeName(node), await askIdentity(node));
  };
  const watch = (node: Redis): void => {
    node.on('close', () => identities.delete(nodeName(node)));
    node.on('ready', () => void learn(node).catch(() => undefined)); // Unknown until it answers: reads are errors.
  };
  for (const node of cluster.nodes('all')) watch(node);
  cluster.on('+node', (node: Redis) => {
    watch(node);
    if (node.status === 'ready') void learn(node).catch(() => undefined); // As above.
  });
  return {
    learn,
    incarnation: (physicalName) => {
      const owner = cluster.slots[hashSlot(physicalName)]?.[0];
      return (owner === undefined ? undefined : identities.get(owner)) ?? UNKNOWN_INCARNATION;
    },
  };
}

async function askIdentity(node: Redis): Promise<string> {
  const info = await node.info().catch((error: unknown) => {
    if (toFailure(error, 'info').kind === 'denied') return '';
    throw error;
  });
  if (/^loading:1/m.test(info)) throw new Error('LOADING the dataset');
  // Redis and Valkey name the process by run_id; Dragonfly by the replication id, which is new at every start.
  const id = /^run_id:(\w+)/m.exec(info)?.[1] ?? /^master_replid:(\w+)/m.exec(info)?.[1];
  return id === undefined
    ? UNASKABLE_INCARNATION
    : createHash('sha256').update(id).digest('hex').slice(0, UNKNOWN_INCARNATION.length);
}

/** As the cluster's table of slots names it. */
export function nodeName(node: Redis): string {
  return `${node.options.host ?? ''}:${node.options.port ?? ''}`;
}
