import { Cluster } from 'ioredis';
import type { CacheFailure, FailureKind } from './failure.ts';
import { hashSlot } from './hash-slot.ts';
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

/** The circuit of one node of a cluster: the others go on while it is open. */
export class ShardBreaker {
  #failures = 0;
  #closedFromMs = 0;
  #pauseMs = FIRST_PAUSE_MS;

  /** While the circuit is open, one command at a time passes as a probe. */
  admits(nowMs: number): boolean {
    if (this.#failures < FAILURES_TO_OPEN) return true;
    if (nowMs < this.#closedFromMs) return false;
    this.#closedFromMs = nowMs + this.#pauseMs;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#pauseMs = FIRST_PAUSE_MS;
  }

  failed(failure: CacheFailure, nowMs: number): void {
    if (!NODE_FAILURES.has(failure.kind)) return;
    this.#failures += 1;
    if (this.#failures < FAILURES_TO_OPEN) return;
    this.#closedFromMs = nowMs + this.#pauseMs;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
  }
}

/** Circuits by node. */
export class ShardBreakers {
  readonly #byNode = new Map<string, ShardBreaker>();

  of(client: Client, physicalName: string): ShardBreaker | undefined {
    if (!(client instanceof Cluster)) return undefined;
    const node = client.slots[hashSlot(physicalName)]?.[0] ?? 'unassigned';
    let breaker = this.#byNode.get(node);
    if (breaker === undefined) this.#byNode.set(node, (breaker = new ShardBreaker()));
    return breaker;
  }
}
