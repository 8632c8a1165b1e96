import type { EdgeError } from '../../core/errors.ts';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import type { StoredResponse } from './stored-response.ts';

/** By which request headers a response is selected, and by which values of theirs, see vary.ts. */
export type Selected = { varyNames: readonly string[]; variant: string };

/** What one upstream call comes to for those who wait for it. */
export type Landing =
  | { kind: 'stored'; stored: StoredResponse; status: number }
  /** The reply to HEAD, for others who asked the same. */
  | ({ kind: 'described'; status: number; headers: HeaderList } & Selected)
  /** For its own client; by now it is known how to ask for the others. */
  | { kind: 'again' }
  /** For its own client alone: the others go on their own, all at once. */
  | { kind: 'unshareable' }
  /** A purge came in between: nobody may have it but the client that it was asked for. */
  | { kind: 'purged' }
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
  /** The head has come and the response can be shared with whom it says: what is left to wait for is its body. */
  readonly shareable: Promise<Selected>;
  readonly #abort = new AbortController();
  #land: (landing: Landing) => void = () => {};
  #announce: (selected: Selected) => void = () => {};
  readonly isBackground: boolean;
  /** Whether whoever asks from now on may have what it brings. */
  isOpen: boolean;
  #waiters = 0;
  #hasClient = true;
  #hasLanded = false;

  /**
   * @param options `isBackground`: no client waits for the response itself, and none that leaves ends the call. `variant`: others may join.
   */
  constructor(options: { isBackground: boolean; variant?: string }) {
    this.isBackground = options.isBackground;
    this.isOpen = options.variant !== undefined;
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

  announceShareable(selected: Selected): void {
    this.#announce(selected);
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

  /**
   * Waits for the landing, at most so long; undefined when that was too short or the waiter left.
   *
   * @param limits `isForThis`: asked as soon as the head has come; who is told that it is not does not wait for the body.
   */
  async wait(limits: {
    unknownMs: number;
    knownMs: number;
    signal: AbortSignal;
    isForThis?: (selected: Selected) => boolean;
  }): Promise<Landing | undefined> {
    this.#waiters += 1;
    try {
      const head = Promise.race([this.landing, this.shareable]);
      const first = await within(head, limits.unknownMs, limits.signal);
      if (first === 'too-late') return undefined;
      if ('variant' in first && limits.isForThis?.(first) === false) return { kind: 'again' };
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

/** `variant`: what the response is selected by, where others may wait for it; undefined: it is for one request alone. */
type Tracked = { readonly flight: Flight; readonly variant: string | undefined };

/** The calls under way, by address. */
export class Flights {
  readonly #tracked = new Map<string, Set<Tracked>>();

  /** The call under way that may be joined: one that nobody wanted any more is about to fail. */
  get(address: string, variant: string): Flight | undefined {
    for (const each of this.#tracked.get(address) ?? []) {
      if (each.flight.isOpen && each.variant === variant && !each.flight.signal.aborted) return each.flight;
    }
    return undefined;
  }

  /** Begins a flight; with a `variant`, others may join it until it has landed. */
  begin(address: string, options: { variant?: string; isBackground: boolean }): Flight {
    const flight = new Flight(options);
    const tracked = { flight, variant: options.variant };
    const others = this.#tracked.get(address);
    if (others === undefined) this.#tracked.set(address, new Set([tracked]));
    else others.add(tracked);
    void this.#endWith(address, tracked);
    return flight;
  }

  /** What is being asked for may be out of date when it comes: whoever asks from now on does not wait for it. */
  letNobodyJoin(address: string): void {
    for (const { flight } of this.#tracked.get(address) ?? []) flight.isOpen = false;
  }

  /** Calls under way that were begun for others too. */
  get count(): number {
    let count = 0;
    for (const each of this.#tracked.values()) {
      for (const { variant } of each) if (variant !== undefined) count += 1;
    }
    return count;
  }

  async #endWith(address: string, tracked: Tracked): Promise<void> {
    await tracked.flight.landing;
    tracked.flight.isOpen = false;
    const others = this.#tracked.get(address);
    others?.delete(tracked);
    if (others?.size === 0) this.#tracked.delete(address);
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
