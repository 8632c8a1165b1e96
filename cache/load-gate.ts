/** Loads that may wait for their turn; more are turned away at once. */
const MAX_WAITING = 1000;

type Waiter = { admit(): void };

/** Bounds how many loads run at once in this process, and how long one waits for its turn. */
export class LoadGate {
  readonly #maxRunning: number;
  readonly #waiting: Waiter[] = [];
  #running = 0;

  constructor(maxRunning: number) {
    this.#maxRunning = maxRunning;
  }

  get running(): number {
    return this.#running;
  }

  /** Runs `load` when it is its turn; undefined when too many wait already, or its turn does not come in time. */
  async run<Value>(load: () => Promise<Value>, maxWaitMs: number): Promise<Value | undefined> {
    if (this.#running < this.#maxRunning) this.#running += 1;
    else if (!(await this.#takeTurn(maxWaitMs))) return undefined;
    try {
      return await load();
    } finally {
      // The place passes straight to whoever waits: nobody can slip in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next.admit();
    }
  }

  async #takeTurn(maxWaitMs: number): Promise<boolean> {
    if (this.#waiting.length >= MAX_WAITING) return false;
    const turn = Promise.withResolvers<boolean>();
    const waiter: Waiter = { admit: () => turn.resolve(true) };
    const timer = setTimeout(() => {
      const place = this.#waiting.indexOf(waiter);
      if (place !== -1) this.#waiting.splice(place, 1);
      turn.resolve(false);
    }, maxWaitMs);
    this.#waiting.push(waiter);
    const isAdmitted = await turn.promise;
    clearTimeout(timer);
    return isAdmitted;
  }
}
