/** A shared piece of work under way. */
type Flight = { promise: Promise<unknown>; next: Promise<unknown> | undefined };

/**
 * Collapses concurrent work on one key. Who arrives while work is under way shares it if that is safe, else shares
 * the next one, which begins when the present one ends: its answer is read after every one of them arrived.
 */
export class Flights {
  readonly #flights = new Map<string, Flight>();

  get size(): number {
    return this.#flights.size;
  }

  has(name: string): boolean {
    return this.#flights.has(name);
  }

  /** `isSafeToJoin`: whether an answer that was perhaps read before this caller arrived is good enough for it. */
  run<Value>(name: string, isSafeToJoin: boolean, work: () => Promise<Value>): Promise<Value> {
    const flight = this.#flights.get(name);
    if (flight === undefined) return this.#begin(name, work);
    if (isSafeToJoin) return flight.promise as Promise<Value>;
    flight.next ??= flight.promise.then(
      () => this.#beginNext(name, flight, work),
      () => this.#beginNext(name, flight, work),
    );
    return flight.next as Promise<Value>;
  }

  /** Nobody joins the present work any more; it ends for those who wait for it. */
  detach(name: string): void {
    this.#flights.delete(name);
  }

  detachAll(): void {
    this.#flights.clear();
  }

  #begin<Value>(name: string, work: () => Promise<Value>): Promise<Value> {
    const flight: Flight = { promise: Promise.resolve(), next: undefined };
    const promise = work().finally(() => {
      // With successors waiting, the place is theirs: the first of them takes it over.
      if (this.#flights.get(name) === flight && flight.next === undefined) this.#flights.delete(name);
    });
    flight.promise = promise;
    this.#flights.set(name, flight);
    return promise;
  }

  #beginNext<Value>(name: string, before: Flight, work: () => Promise<Value>): Promise<Value> {
    // Detached meanwhile: whoever took the place holds a newer one, and this work goes on beside it.
    if (this.#flights.has(name) && this.#flights.get(name) !== before) return work();
    return this.#begin(name, work);
  }
}
