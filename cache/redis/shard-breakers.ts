import { Cluster } from 'ioredis';
import type { CacheFailure, FailureKind } from './failure.ts';
import { hashSlot } from './hash-slot.ts';
import { nodeName } from './incarnations.ts';
import type { Client } from './scripts.ts';

const FAILURES_TO_OPEN = 3;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1000;

/** Failures that say something about the node, not about the command. */
const NODE_FAILURES: ReadonlySet<FailureKind> = new Set([
  'timeout',
  'connection',
  'cluster',
  'loading',
  'readonly',
  'auth',
]);

/** Of a node's connection that is gone; others are there, or are about to be. */
const GONE: ReadonlySet<string> = new Set(['reconnecting', 'close', 'end']);

/** Told when a node's circuit opens, by which failure, and when it closes. */
export type OnShardChange = (node: string, failure: CacheFailure | undefined) => void;

/** The circuit of one node of a cluster: the others go on while it is open. */
export class ShardBreaker {
  readonly #onChange: (failure: CacheFailure | undefined) => void;
  #failures = 0;
  #closedFromMs = 0;
  #pauseMs = FIRST_PAUSE_MS;

  constructor(onChange: (failure: CacheFailure | undefined) => void) {
    this.#onChange = onChange;
  }

  get isOpen(): boolean {
    return this.#failures >= FAILURES_TO_OPEN;
  }

  /** While the circuit is open, one command at a time passes as a probe. */
  admits(nowMs: number): boolean {
    if (!this.isOpen) return true;
    if (nowMs < this.#closedFromMs) return false;
    this.#closedFromMs = nowMs + this.#pauseMs;
    return true;
  }

  succeeded(): void {
    const wasOpen = this.isOpen;
    this.#failures = 0;
    this.#pauseMs = FIRST_PAUSE_MS;
    if (wasOpen) this.#onChange(undefined);
  }

  failed(failure: CacheFailure, nowMs: number): void {
    if (!NODE_FAILURES.has(failure.kind)) return;
    this.#failures += 1;
    if (!this.isOpen) return;
    this.#closedFromMs = nowMs + this.#pauseMs;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
    if (this.#failures === FAILURES_TO_OPEN) this.#onChange(failure);
  }
}

/** Circuits by node. */
export class ShardBreakers {
  readonly #byNode = new Map<string, ShardBreaker>();
  readonly #onChange: OnShardChange;

  constructor(onChange: OnShardChange) {
    this.#onChange = onChange;
  }

  of(client: Client, physicalName: string): ShardBreaker | undefined {
    if (!(client instanceof Cluster)) return undefined;
    const node = client.slots[hashSlot(physicalName)]?.[0] ?? 'unassigned';
    let breaker = this.#byNode.get(node);
    if (breaker === undefined) {
      breaker = new ShardBreaker((failure) => this.#onChange(node, failure));
      this.#byNode.set(node, breaker);
    }
    return breaker;
  }

  /** Whether no primary of a cluster can be used. */
  areAllOpen(client: Client): boolean {
    if (!(client instanceof Cluster)) return false;
    return client
      .nodes('master')
      .every((node) => GONE.has(node.status) || this.#byNode.get(nodeName(node))?.isOpen === true);
  }
}
