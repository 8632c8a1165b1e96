import { Cluster } from 'ioredis';
import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { BusBackend, BusChannel, BusListener, EpochSeed, Member, Registry } from '../backend.ts';
import type { CacheConfig, CacheTarget } from '../config.ts';
import { UNKNOWN_INCARNATION } from '../entry.ts';
import { createClient, endClient } from './clients.ts';
import { CacheFailure } from './failure.ts';
import type { KeyNames } from './key-names.ts';
import * as scripts from './scripts.ts';
import type { ServerLink } from './server-link.ts';

const REGISTRY = 'bus';
const RESUBSCRIBE_MS = 500;

export type RedisBusOptions = {
  config: CacheConfig;
  target: Extract<CacheTarget, { kind: 'server' }>;
  instance: string;
  log: Logger;
  link: ServerLink;
  names: KeyNames;
  isCluster: boolean;
};

/** The bus over pub/sub (sharded on a cluster) and the registry of leases in one hash beside it. */
export class RedisBus implements BusBackend {
  readonly #options: RedisBusOptions;
  readonly #registryKey: string;
  readonly #channels: Readonly<Record<BusChannel, string>>;
  readonly #publishCommand: string;
  readonly #subscribers: scripts.Client[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  #isClosed = false;

  constructor(options: RedisBusOptions) {
    this.#options = options;
    const { physical } = options.names;
    this.#registryKey = physical(REGISTRY);
    // A server's databases have their own keys and share its channels.
    const own = options.target.database === 0 || options.isCluster ? '' : `:${options.target.database}`;
    this.#channels = {
      events: physical(`${REGISTRY}:events`) + own,
      acks: physical(`${REGISTRY}:acks`) + own,
    };
    this.#publishCommand = options.isCluster ? 'SPUBLISH' : 'PUBLISH';
  }

  subscribe(channels: readonly BusChannel[], listener: BusListener): void {
    const { config, target, instance } = this.#options;
    const client = createClient(config, target, `origan:${instance}:bus`, 'subscriber');
    this.#subscribers.push(client);
    const names = channels.map((channel) => this.#channels[channel]);
    const onMessage = (channel: string, text: string): void => {
      const known = channels.find((candidate) => this.#channels[candidate] === channel);
      if (known !== undefined) listener.onMessage(known, text);
    };
    client.on('message', onMessage);
    client.on('smessage', onMessage);
    client.on('close', () => listener.onLost());
    client.on('error', () => undefined); // The command connections report the server's state.
    const join = (): void => {
      if (this.#isClosed) return;
      subscribeAll(client, names).then(
        () => listener.onSubscribed(),
        (error: unknown) => this.#joinLater(join, error),
      );
    };
    client.on('ready', join);
    client.connect().catch(() => undefined); // Tried again by itself.
  }

  resubscribe(): void {
    for (const client of this.#subscribers) if (client.status === 'ready') client.disconnect(true);
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const client of this.#subscribers) endClient(client);
  }

  async renew(member: Member, seed: EpochSeed): Promise<{ epoch: string; seq: number }> {
    const reply = await this.#run(scripts.RENEW_LEASE, [
      ...this.#seedArgs(seed),
      member.instance,
      recordOf(member),
      this.#channels.events,
      member.nonce,
      this.#publishCommand,
    ]);
    const [epoch, seq] = reply as [string, string];
    return { epoch, seq: Number(seq) };
  }

  async ack(member: Member, epoch: string): Promise<void> {
    await this.#run(scripts.ACK, [
      epoch,
      member.instance,
      recordOf(member),
      member.acked,
      this.#channels.acks,
      this.#publishCommand,
    ]);
  }

  async leave(instance: string): Promise<void> {
    await this.#options.link.run('hdel', this.#registryKey, (client) =>
      client.hdel(this.#registryKey, `m:${instance}`),
    );
  }

  async publish(payload: string, seed: EpochSeed): Promise<Registry> {
    const args = [...this.#seedArgs(seed), payload, this.#channels.events, this.#publishCommand];
    const [seq, fields] = (await this.#run(scripts.PUBLISH, args)) as [number, string[]];
    const registry = parseRegistry(pairs(fields));
    if (registry === undefined) throw new CacheFailure('other', 'publish: the registry vanished');
    return { ...registry, seq };
  }

  async registry(): Promise<Registry | undefined> {
    const { link } = this.#options;
    const fields = await link.runRepeatable('hgetall', this.#registryKey, (client) =>
      client.hgetall(this.#registryKey),
    );
    // Restored from a snapshot, or not yet replicated to the end: it may lack members.
    const isOfThisServer = fields['run'] === link.incarnation(this.#registryKey);
    return isOfThisServer ? parseRegistry(new Map(Object.entries(fields))) : undefined;
  }

  async forget(member: Member): Promise<void> {
    await this.#run(scripts.FORGET, [`m:${member.instance}`, recordOf(member)]);
  }

  #run(script: scripts.Script, args: (string | number)[]): Promise<unknown> {
    return this.#options.link.run(script.name, this.#registryKey, (client) =>
      scripts.runScript(client, script, [this.#registryKey], args),
    );
  }

  #seedArgs(seed: EpochSeed): [string, number, string] {
    const incarnation = this.#options.link.incarnation(this.#registryKey);
    if (incarnation === UNKNOWN_INCARNATION) {
      throw new CacheFailure('connection', 'bus: the server is not known yet');
    }
    return [seed.candidate, seed.nowMs, incarnation];
  }

  #joinLater(join: () => void, error: unknown): void {
    if (this.#isClosed) return;
    this.#options.log.debug({ error: messageOf(error) }, 'could not subscribe to the bus, trying again');
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      join();
    }, RESUBSCRIBE_MS).unref();
    this.#timers.add(timer);
  }
}

async function subscribeAll(client: scripts.Client, channels: string[]): Promise<void> {
  if (client instanceof Cluster) await client.ssubscribe(...channels);
  else await client.subscribe(...channels);
}

const recordOf = (member: Member): string =>
  `${member.nonce}:${member.acked}:${member.leaseMs}:${member.epoch}`;

function parseRegistry(fields: ReadonlyMap<string, string>): Registry | undefined {
  const epoch = fields.get('epoch');
  if (epoch === undefined) return undefined;
  return {
    epoch,
    sinceMs: Number(fields.get('since')),
    seq: Number(fields.get('seq')),
    members: [...fields].flatMap(([name, record]) =>
      name.startsWith('m:') ? [parseMember(name.slice(2), record)] : [],
    ),
  };
}

function parseMember(instance: string, record: string): Member {
  const [nonce = '', acked = '0', leaseMs = '0', epoch = '-'] = record.split(':');
  return { instance, nonce, acked: Number(acked), leaseMs: Number(leaseMs), epoch };
}

function pairs(flat: string[]): Map<string, string> {
  const map = new Map<string, string>();
  for (let index = 0; index + 1 < flat.length; index += 2) map.set(flat[index] ?? '', flat[index + 1] ?? '');
  return map;
}
