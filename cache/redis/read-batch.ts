type Waiter<Value> = {
  name: string;
  resolve(value: Value): void;
  reject(error: unknown): void;
};

/** More would let one answer hold up all that come behind it on the connection. */
const MAX_BATCH = 64;

/**
 * Puts look-ups that arrive in the same turn of the event loop into one command. `nextTick` runs when the work at
 * hand is done, promises included, so a lone look-up is not delayed and a hundred share a round trip.
 */
export class ReadBatch<Value> {
  readonly #send: (names: string[]) => Promise<Value[]>;
  #waiting: Waiter<Value>[] = [];

  constructor(send: (names: string[]) => Promise<Value[]>) {
    this.#send = send;
  }

  read(name: string): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) process.nextTick(() => this.#flush());
      this.#waiting.push({ name, resolve, reject });
    });
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let start = 0; start < waiting.length; start += MAX_BATCH) {
      this.#sendBatch(waiting.length > MAX_BATCH ? waiting.slice(start, start + MAX_BATCH) : waiting);
    }
  }

  #sendBatch(batch: Waiter<Value>[]): void {
    this.#send(batch.map((waiter) => waiter.name)).then(
      (values) => batch.forEach((waiter, index) => waiter.resolve(values[index] as Value)),
      (error: unknown) => batch.forEach((waiter) => waiter.reject(error)),
    );
  }
}
