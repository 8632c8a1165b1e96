import type { EdgeError } from '../../core/errors.ts';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import type { StoredResponse } from './stored-response.ts';

/** What one upstream call comes to for those who wait for it. */
export type Landing =
  | { kind: 'stored'; stored: StoredResponse; status: number }
  /** The reply to HEAD, for others who asked the same. */
  | {
      kind: 'described';
      status: number;
      headers: HeaderList;
      varyNames: readonly string[];
      variant: string;
    }
  /** For its own client alone: the others go on their own, all at once. */
  | { kind: 'unshareable' }
  /** An error status in place of which something stored may be served. */
  | { kind: 'erred'; status: number }
  | { kind: 'failed'; error: EdgeError };

export type CollapseLimits = {
  /** Requests that may wait for one call; more go on their own. */
  maxWaiters: number;
  /** How long they wait for the head of a response of which nothing is known. */
  unknownWaitMs: number;
  /** How long they wait where responses were shared before. */
  knownWaitMs: number;
};

/** One upstream call for one key, and those who wait for what it brings. */
export class Flight {
  readonly landing: Promise<Landing>;
  /** The head has come and the response can be shared: what is left to wait for is its body. */
  readonly shareable: Promise<void>;
  readonly #abort = new AbortController();
  #land: (landing: Landing) => void = () => {};
  #announce: () => void = () => {};
  readonly isBackground: boolean;
  #waiters = 0;
  #hasClient = true;
  #hasLanded = false;

  /** @param options `isBackground`: no client waits for the response itself, and none that leaves ends the call. */
  constructor(options: { isBackground: boolean }) {
    this.isBackground = options.isBackground;
    this.landing = new Promise((resolve) => {
      this.#land = resolve;
    });
    this.shareable = new Promise((resolve) => {
      this.#announce = resolve;
    });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get waiters(): number {
    return this.#waiters;
  }

  get hasLanded(): boolean {
    return this.#hasLanded;
  }

  announceShareable(): void {
    this.#announce();
  }

  land(landing: Landing): void {
    this.#hasLanded = true;
    this.#land(landing);
  }

  /** The client whose request began the call has left: the call goes on while others wait. */
  clientLeft(): void {
    this.#hasClient = false;
    this.#endIfUnwanted();
  }

  /** Waits for the landing, at most so long; undefined when that was too short or the waiter left. */
  async wait(limits: {
    unknownMs: number;
    knownMs: number;
    signal: AbortSignal;
  }): Promise<Landing | undefined> {
    this.#waiters += 1;
    try {
      const head = Promise.race([this.landing, this.shareable]);
      const first = await within(head, limits.unknownMs, limits.signal);
      if (first === 'too-late') return undefined;
      const landing = await within(this.landing, limits.knownMs, limits.signal);
      return landing === 'too-late' ? undefined : landing;
    } finally {
      this.#waiters -= 1;
      this.#endIfUnwanted();
    }
  }

  #endIfUnwanted(): void {
    if (this.isBackground) return;
    if (!this.#hasClient && this.#waiters === 0 && !this.#hasLanded) this.#abort.abort();
  }
}

/** The calls under way, by key. */
export class Flights {
  readonly #flights = new Map<string, Flight>();

  /** The call under way that may be joined: one that nobody wanted any more is about to fail. */
  get(key: string): Flight | undefined {
    const flight = this.#flights.get(key);
    return flight?.signal.aborted === true ? undefined : flight;
  }

  /** Begins a flight that others may join until it has landed. */
  begin(key: string, options: { isBackground: boolean }): Flight {
    const flight = new Flight(options);
    this.#flights.set(key, flight);
    void this.#endWith(key, flight);
    return flight;
  }

  get count(): number {
    return this.#flights.size;
  }

  async #endWith(key: string, flight: Flight): Promise<void> {
    await flight.landing;
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}

async function within<Value>(
  promise: Promise<Value>,
  waitMs: number,
  signal: AbortSignal,
): Promise<Value | 'too-late'> {
  if (signal.aborted) return 'too-late';
  let stop = (): void => {};
  const late = new Promise<'too-late'>((resolve) => {
    const timer = setTimeout(() => resolve('too-late'), waitMs);
    const onAbort = (): void => resolve('too-late');
    signal.addEventListener('abort', onAbort, { once: true });
    stop = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop();
  }
}
