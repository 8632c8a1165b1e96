import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { CacheConfig, CacheTarget } from '../config.ts';
import { UNKNOWN_INCARNATION } from '../entry.ts';
import { createClient } from './clients.ts';
import { Connection } from './connection.ts';
import { Deadlines } from './deadlines.ts';
import { CacheFailure, toFailure, type FailureKind } from './failure.ts';
import type { Client } from './scripts.ts';
import { ShardBreakers, type ShardBreaker } from './shard-breakers.ts';

/** Told of every command: for metrics. `durationMs` counts from the hand-over to the answer. */
export type CommandObserver = {
  finished(command: string, durationMs: number): void;
  failed(command: string, kind: FailureKind): void;
};

export type LinkOptions = {
  config: CacheConfig;
  target: Extract<CacheTarget, { kind: 'server' }>;
  instance: string;
  log: Logger;
  observer: CommandObserver;
};

type Sent = {
  command: string;
  connection: Connection;
  shard: ShardBreaker | undefined;
  startedAtMs: number;
};

/** The connections to the server: picks one for each command, bounds time and number, knows whether it is up. */
export class ServerLink {
  readonly #options: LinkOptions;
  readonly #connections: Connection[];
  readonly #deadlines: Deadlines;
  readonly #shards = new ShardBreakers((node, failure) => this.#onNodeChange(node, failure));
  readonly #listeners: ((isUp: boolean) => void)[] = [];
  #isUp = false;
  #isClosed = false;
  #downReason: FailureKind | undefined;
  #resolveFirst: () => void = () => undefined;
  #inFlight = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.config.timeoutMs);
    this.#connections = Array.from({ length: options.config.poolSize }, () => this.#createConnection());
  }

  /** Resolves when the server is usable, or when the first attempt failed; trying goes on. */
  connect(): Promise<void> {
    const first = new Promise<void>((resolve) => {
      this.#resolveFirst = resolve;
    });
    for (const connection of this.#connections) connection.start();
    return first;
  }

  close(): void {
    this.#isClosed = true;
    this.#resolveFirst();
    this.#deadlines.close();
    for (const connection of this.#connections) connection.close();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  onState(listener: (isUp: boolean) => void): void {
    this.#listeners.push(listener);
  }

  /** Unknown also while some connections already lead to another server process than others. */
  incarnation(physicalName: string): string {
    let known: string | undefined;
    for (const connection of this.#connections) {
      if (!connection.isUsable) continue;
      const incarnation = connection.incarnation(physicalName);
      if (known !== undefined && incarnation !== known) return UNKNOWN_INCARNATION;
      known = incarnation;
    }
    return known ?? UNKNOWN_INCARNATION;
  }

  /** Runs a command that may be repeated: tried again while the deadline lasts when its connection broke. */
  runRepeatable<Value>(
    command: string,
    physicalName: string,
    send: (client: Client) => Promise<Value>,
  ): Promise<Value> {
    // No async function here: every read passes, and hardly any is repeated.
    const giveUpAtMs = performance.now() + this.#options.config.timeoutMs;
    const attempt = (left: number): Promise<Value> =>
      this.run(command, physicalName, send).catch((error: unknown) => {
        const isRetryable = error instanceof CacheFailure && error.kind === 'connection' && this.#isUp;
        if (!isRetryable || left === 0 || performance.now() >= giveUpAtMs) throw error;
        return attempt(left - 1);
      });
    return attempt(this.#options.config.maxRetries);
  }

  /** Runs a command once, within the deadline. `physicalName` says which node it concerns. @throws CacheFailure */
  run<Value>(
    command: string,
    physicalName: string,
    send: (client: Client) => Promise<Value>,
  ): Promise<Value> {
    const connection = this.#pick();
    const shard = connection && this.#shards.of(connection.client, physicalName);
    if (connection === undefined || shard?.admits(performance.now()) === false) {
      this.#options.observer.failed(command, this.#downReason ?? 'connection');
      return Promise.reject(
        new CacheFailure(this.#downReason ?? 'connection', `${command}: the server is down`),
      );
    }
    if (this.#inFlight >= this.#options.config.maxInFlight) {
      this.#options.observer.failed(command, 'overload');
      return Promise.reject(new CacheFailure('overload', `${command}: too many commands in flight`));
    }
    return this.#send({ command, connection, shard, startedAtMs: performance.now() }, send);
  }

  #send<Value>(sent: Sent, send: (client: Client) => Promise<Value>): Promise<Value> {
    const { command, connection } = sent;
    this.#inFlight += 1;
    connection.inFlight += 1;
    return new Promise((resolve, reject) => {
      let isSettled = false;
      const settle = (failure: CacheFailure | undefined): boolean => {
        if (isSettled) return false;
        isSettled = true;
        this.#inFlight -= 1;
        connection.inFlight -= 1;
        deadline.settle();
        this.#record(sent, failure);
        return true;
      };
      const fail = (failure: CacheFailure): void => {
        if (settle(failure)) reject(failure);
      };
      const deadline = this.#deadlines.begin(() => fail(new CacheFailure('timeout', `${command} timed out`)));
      connection.cork();
      send(connection.client).then(
        (value) => settle(undefined) && resolve(value),
        (error: unknown) => fail(toFailure(error, command)),
      );
    });
  }

  #record({ connection, shard, command, startedAtMs }: Sent, failure: CacheFailure | undefined): void {
    const nowMs = performance.now();
    const { observer } = this.#options;
    if (failure === undefined) {
      (shard ?? connection).succeeded();
      observer.finished(command, nowMs - startedAtMs);
      return;
    }
    observer.failed(command, failure.kind);
    // On a cluster the node is to blame, and the others go on.
    if (shard === undefined) connection.failed(failure);
    else shard.failed(failure, nowMs);
  }

  #pick(): Connection | undefined {
    let best: Connection | undefined;
    for (const connection of this.#connections) {
      if (connection.isUsable && (best === undefined || connection.inFlight < best.inFlight))
        best = connection;
    }
    return best;
  }

  #createConnection(): Connection {
    const { config, target, instance } = this.#options;
    return new Connection({
      client: createClient(config, target, `origan:${instance}`, 'commands'),
      timeoutMs: config.timeoutMs,
      probeKey: `${config.keyPrefix}probe:${instance}`,
      isCluster: target.topology === 'cluster',
      onChange: (reason) => this.#onChange(reason),
    });
  }

  /** One line for each change of a cluster's node; the whole is down with the last of them. */
  #onNodeChange(node: string, reason: CacheFailure | undefined): void {
    if (this.#isClosed) return;
    const { log } = this.#options;
    if (reason === undefined) log.info({ node }, 'a node of the cache is up');
    else log.warn({ node, reason: reason.kind, error: messageOf(reason) }, 'a node of the cache is down');
    this.#onChange(reason);
  }

  #onChange(reason: CacheFailure | undefined): void {
    if (this.#isClosed) return;
    this.#resolveFirst();
    const isUp = this.#connections.some(
      ({ isUsable, client }) => isUsable && !this.#shards.areAllOpen(client),
    );
    if (isUp === this.#isUp && (isUp || this.#downReason !== undefined)) return;
    this.#isUp = isUp;
    this.#downReason = isUp ? undefined : (reason?.kind ?? 'connection');
    if (isUp) this.#options.log.info('the cache is up');
    else this.#options.log.warn({ reason: this.#downReason, error: messageOf(reason) }, 'the cache is down');
    for (const listener of this.#listeners) listener(isUp);
  }
}
