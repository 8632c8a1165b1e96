import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Backend, Member, Registry } from './backend.ts';
import { LeaseHolders } from './lease-holders.ts';
import { instanceOf } from './lease.ts';
import type { Invalidation } from './lookup.ts';

const FIRST_POLL_MS = 20;
const LONGEST_POLL_MS = 250;
/** Well within a first lease (see lease-holders.ts), so that a look that fails does no harm. */
const LOOKS_PER_LEASE = 15;

export type AnnouncerOptions = {
  backend: Backend;
  clock: Clock;
  log: Logger;
  /** The longest lease that a gateway may hold which the registry does not know. */
  leaseMs: number;
};

type Wait = {
  epoch: string;
  seq: number;
  pending: Set<string>;
  acknowledged: Set<string>;
  expired: Set<string>;
  startedAtMs: number;
  /** Nobody can have a copy of what is announced, whatever lease he holds. */
  isFirst: boolean;
  wake: () => void;
};

/**
 * Publishes invalidations and waits until every gateway that holds a lease has acknowledged, or its lease has run
 * out. A lease has run out when this process saw no renewal for as long as it lasts: no clock of anyone else counts.
 */
export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #holders: LeaseHolders;
  readonly #waits = new Set<Wait>();
  /** Acknowledgements that came before the call that published had returned. */
  readonly #early = new Map<string, { epoch: string; seq: number }>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
    this.#holders = new LeaseHolders(options.clock, options.leaseMs);
  }

  /**
   * Begins to watch who holds a lease. Whoever watches all the time is not held up by a gateway that died an hour ago,
   * and not for long by a registry that was lost.
   */
  watch(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#options.backend.bus.subscribe(['acks'], {
      onMessage: (_channel, text) => this.#receive(text),
      onSubscribed: () => undefined,
      onLost: () => undefined,
    });
    this.#timer = setInterval(() => void this.#watch(), this.#options.leaseMs / LOOKS_PER_LEASE).unref();
    void this.#watch();
  }

  /** Resolves when nobody uses what `payload` names any more, or after `waitMs`. @throws CacheFailure */
  async announce(
    payload: string,
    { waitMs, isFirst }: { waitMs: number; isFirst: boolean },
  ): Promise<Invalidation> {
    this.watch();
    const startedAtMs = this.#now();
    const wait = this.#beginWait(await this.#publish(payload), { startedAtMs, isFirst });
    try {
      return await this.#untilComplete(wait, payload, startedAtMs + waitMs);
    } finally {
      this.#waits.delete(wait);
    }
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const wait of this.#waits) wait.wake();
  }

  async #untilComplete(wait: Wait, payload: string, giveUpAtMs: number): Promise<Invalidation> {
    let pollMs = FIRST_POLL_MS;
    while (!this.#isComplete(wait) && !this.#isClosed && this.#now() < giveUpAtMs) {
      await this.#pause(wait, Math.min(pollMs, Math.max(1, giveUpAtMs - this.#now())));
      if (this.#isComplete(wait)) break;
      await this.#look(wait, payload);
      pollMs = Math.min(LONGEST_POLL_MS, pollMs * 2);
    }
    return {
      acknowledged: [...wait.acknowledged].map(instanceOf),
      expired: [...wait.expired].map(instanceOf),
      isComplete: this.#isComplete(wait),
      durationMs: this.#now() - wait.startedAtMs,
    };
  }

  /** Reads the registry: makes good lost acknowledgements, and finds leases that ran out and lost epochs. */
  async #look(wait: Wait, payload: string): Promise<void> {
    try {
      const registry = await this.#readRegistry();
      if (registry?.epoch === wait.epoch) {
        await this.#update(wait, registry);
        return;
      }
      // The registry was lost with all that it knew of leases: say it again in the new epoch, and wait anew.
      Object.assign(wait, this.#whomToAwait(await this.#publish(payload), wait.isFirst));
    } catch (error) {
      this.#options.log.debug({ error: messageOf(error) }, 'the registry of leases could not be read');
    }
  }

  async #update(wait: Wait, registry: Registry): Promise<void> {
    const members = new Map(registry.members.map((member) => [member.instance, member]));
    for (const instance of wait.pending) {
      const member = members.get(instance);
      if (member === undefined) {
        // Left in order, it gave up its lease itself; lost with a registry, it has until then to come back.
        if (!this.#holders.isMissing(instance)) settle(wait, instance, wait.expired);
      } else if (hasAcked(member, wait)) settle(wait, instance, wait.acknowledged);
      else if (this.#holders.hasRunOut(member)) {
        settle(wait, instance, wait.expired);
        await this.#options.backend.bus.forget(member);
      }
    }
  }

  #isComplete(wait: Wait): boolean {
    return wait.pending.size === 0 && (wait.isFirst || this.#now() >= this.#holders.strangersUntilMs);
  }

  async #publish(payload: string): Promise<Registry> {
    const { backend, clock } = this.#options;
    const askedAtMs = this.#now();
    const seed = { candidate: crypto.randomUUID(), nowMs: clock.nowMs() };
    const registry = await backend.bus.publish(payload, seed);
    this.#holders.observe(registry, askedAtMs);
    return registry;
  }

  async #readRegistry(): Promise<Registry | undefined> {
    const askedAtMs = this.#now();
    const registry = await this.#options.backend.bus.registry();
    this.#holders.observe(registry, askedAtMs);
    return registry;
  }

  #beginWait(registry: Registry, { startedAtMs, isFirst }: Pick<Wait, 'startedAtMs' | 'isFirst'>): Wait {
    const wait: Wait = {
      ...this.#whomToAwait(registry, isFirst),
      acknowledged: new Set(),
      expired: new Set(),
      startedAtMs,
      isFirst,
      wake: () => undefined,
    };
    this.#waits.add(wait);
    for (const [instance, acked] of this.#early) {
      if (acked.epoch === wait.epoch && acked.seq >= wait.seq && wait.seq > 0) {
        settle(wait, instance, wait.acknowledged);
      }
    }
    return wait;
  }

  #whomToAwait(registry: Registry, isFirst: boolean): Pick<Wait, 'epoch' | 'seq' | 'pending'> {
    const members = registry.members.map((member) => member.instance);
    const pending = new Set(isFirst ? members : [...members, ...this.#holders.missing()]);
    return { epoch: registry.epoch, seq: registry.seq, pending };
  }

  #receive(text: string): void {
    const [kind, epoch = '', seqText = '', instance = ''] = text.split(' ', 4);
    if (kind !== 'a') return;
    const seq = Number(seqText);
    this.#early.set(instance, { epoch, seq });
    for (const wait of this.#waits) {
      if (wait.epoch !== epoch || wait.seq === 0 || seq < wait.seq) continue;
      settle(wait, instance, wait.acknowledged);
      if (this.#isComplete(wait)) wait.wake();
    }
  }

  async #watch(): Promise<void> {
    try {
      const registry = await this.#readRegistry();
      this.#forgetEarly(registry);
    } catch {
      // The connection's own state is logged; the next look tries again.
    }
  }

  #forgetEarly(registry: Registry | undefined): void {
    const present = new Set(registry?.members.map((member) => member.instance));
    for (const instance of this.#early.keys()) if (!present.has(instance)) this.#early.delete(instance);
  }

  #pause(wait: Wait, delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      wait.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #now(): number {
    return this.#options.clock.monotonicMs();
  }
}

function hasAcked(member: Member, wait: Wait): boolean {
  return wait.seq > 0 && member.epoch === wait.epoch && member.acked >= wait.seq;
}

function settle(wait: Wait, instance: string, into: Set<string>): void {
  if (wait.pending.delete(instance)) into.add(instance);
}
