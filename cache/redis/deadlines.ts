type Waiting = { expiresAtMs: number; onExpired: (() => void) | undefined };

/** A pending deadline; `settle` when the answer came. */
export type Deadline = { settle(): void };

/**
 * Deadlines that are all equally long, so that they end in the order in which they began: one timer serves any
 * number of them, where a timer each would cost as much as the command itself.
 */
export class Deadlines {
  readonly #lengthMs: number;
  #waiting: Waiting[] = [];
  #head = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(lengthMs: number) {
    this.#lengthMs = lengthMs;
  }

  begin(onExpired: () => void): Deadline {
    const waiting: Waiting = { expiresAtMs: performance.now() + this.#lengthMs, onExpired };
    this.#waiting.push(waiting);
    this.#timer ??= this.#schedule(this.#lengthMs);
    return {
      settle: () => {
        waiting.onExpired = undefined;
      },
    };
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting = [];
    this.#head = 0;
  }

  #schedule(delayMs: number): NodeJS.Timeout {
    // When this process itself was busy, the answers may lie unread in the socket: setImmediate runs after the
    // loop has read them, so that our own pause is not taken for the server's.
    return setTimeout(() => setImmediate(() => this.#expire()), delayMs);
  }

  #expire(): void {
    const nowMs = performance.now();
    let next = this.#waiting[this.#head];
    while (next !== undefined && (next.onExpired === undefined || next.expiresAtMs <= nowMs)) {
      this.#head += 1;
      next.onExpired?.();
      next = this.#waiting[this.#head];
    }
    this.#compact();
    this.#timer = next === undefined ? undefined : this.#schedule(Math.max(1, next.expiresAtMs - nowMs));
  }

  #compact(): void {
    if (this.#head < 1024 && this.#head < this.#waiting.length) return;
    this.#waiting = this.#waiting.slice(this.#head);
    this.#head = 0;
  }
}
