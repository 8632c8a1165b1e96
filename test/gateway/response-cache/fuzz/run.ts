import { Agent } from 'node:http';
import { HOST } from '../../../support/start-edge.ts';
import { visit } from '../../../support/visit.ts';
import { randomFrom, type Random } from '../model/random.ts';
import { setUpCache, type Rig } from '../rig.ts';
import { headersOf, makeClients, tracesOfOthers, type Client } from './clients.ts';
import { pickPath, reflect } from './reflect.ts';

export type FuzzTally = {
  requests: number;
  /** Answers from what was stored. */
  hits: number;
  /** Calls that the function saw. */
  calls: number;
  /** What clients received of others, first ones. */
  leaks: string[];
};

const CLIENTS = 60;
const AT_ONCE = 40;
/** These few come for a while, to addresses that are new then. */
const CLIENTS_AT_ONCE = 8;
const ROUNDS_OF_A_WHILE = 12;
const MAX_LEAKS = 5;

/** Clients at random, many at once, through two gateways that share a cache, in front of a function that shows all it sees. */
export async function fuzz(options: { seed: number; requests: number }): Promise<FuzzTally> {
  const rig = await setUpCache(reflect, { edges: 2, trustedProxies: ['127.0.0.1'] });
  const random = randomFrom(options.seed);
  const clients = makeClients(CLIENTS, options.seed);
  let present: Client[] = [];
  const agent = new Agent({ keepAlive: true });
  const tally: FuzzTally = { requests: 0, hits: 0, calls: 0, leaks: [] };
  while (tally.requests < options.requests && tally.leaks.length < MAX_LEAKS) {
    const number = Math.floor(tally.requests / AT_ONCE / ROUNDS_OF_A_WHILE);
    const isNew = tally.requests % (AT_ONCE * ROUNDS_OF_A_WHILE) === 0;
    if (isNew) present = Array.from({ length: CLIENTS_AT_ONCE }, () => random.pick(clients));
    const round = Array.from({ length: AT_ONCE }, () =>
      ask(rig, agent, random, { client: random.pick(present), path: pickPath(number, random) }),
    );
    for (const { isHit, leak } of await Promise.all(round)) {
      tally.requests += 1;
      if (isHit) tally.hits += 1;
      if (leak !== undefined) tally.leaks.push(leak);
    }
    if (random.chance(0.3)) rig.clock.advance(random.int(4000));
  }
  tally.calls = rig.runner.calls.length;
  agent.destroy();
  return tally;
}

async function ask(
  { edges }: Rig,
  agent: Agent,
  random: Random,
  { client, path }: { client: Client; path: string },
): Promise<{ isHit: boolean; leak: string | undefined }> {
  const method = random.chance(0.9) ? 'GET' : random.chance(0.8) ? 'HEAD' : 'POST';
  const headers = headersOf(client, random);
  const reply = await visit(random.pick(edges).port, HOST, path, { method, agent, headers });
  const others = tracesOfOthers(client, JSON.stringify(reply.rawHeaders) + reply.text);
  const status = String(reply.headers['cache-status']);
  const leak = `${client.mark} got ${others.join()} at ${method} ${path}: ${status}`;
  return { isHit: status.includes('; hit'), leak: others.length === 0 ? undefined : leak };
}
