import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Backend, Member, Registry } from './backend.ts';
import { instanceOf } from './lease.ts';
import type { Invalidation } from './lookup.ts';

const FIRST_POLL_MS = 20;
const LONGEST_POLL_MS = 250;
/** Clocks of processes may differ by this much. */
const CLOCK_SLACK_MS = 1000;

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
  /** Not complete before this: gateways that the registry does not know may hold a lease until then. */
  notBeforeMs: number;
  wake: () => void;
};

/**
 * Publishes invalidations and waits until every gateway that holds a lease has acknowledged, or its lease has run
 * out. A lease has run out when this process saw no renewal for as long as it lasts: no clock of anyone else counts.
 */
export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #waits = new Set<Wait>();
  readonly #seen = new Map<string, { nonce: string; sinceMs: number }>();
  #epoch: { name: string; notBeforeMs: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  /** Resolves when nobody uses what `payload` names any more, or after `waitMs`. @throws CacheFailure */
  async announce(
    payload: string,
    { waitMs, isFirst }: { waitMs: number; isFirst: boolean },
  ): Promise<Invalidation> {
    this.#startWatching();
    const startedAtMs = this.#now();
    const wait = this.#beginWait(await this.#publish(payload), startedAtMs);
    if (isFirst) wait.notBeforeMs = 0;
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
      const registry = await this.#options.backend.bus.registry();
      if (registry?.epoch === wait.epoch) {
        this.#observe(registry);
        await this.#update(wait, registry);
        return;
      }
      // The registry was lost with all that it knew of leases: say it again in the new epoch, and wait anew.
      Object.assign(wait, this.#freshWait(await this.#publish(payload)));
    } catch (error) {
      this.#options.log.debug({ error: messageOf(error) }, 'the registry of leases could not be read');
    }
  }

  async #update(wait: Wait, registry: Registry): Promise<void> {
    const members = new Map(registry.members.map((member) => [member.instance, member]));
    for (const instance of wait.pending) {
      const member = members.get(instance);
      if (member !== undefined && hasAcked(member, wait)) settle(wait, instance, wait.acknowledged);
      // Left in order: it gave up its lease itself.
      else if (member === undefined) settle(wait, instance, wait.expired);
      else if (this.#hasRunOut(member)) {
        settle(wait, instance, wait.expired);
        await this.#options.backend.bus.forget(member);
      }
    }
  }

  #isComplete(wait: Wait): boolean {
    return wait.pending.size === 0 && this.#now() >= wait.notBeforeMs;
  }

  async #publish(payload: string): Promise<Registry> {
    const { backend, clock } = this.#options;
    const seed = { candidate: crypto.randomUUID(), nowMs: clock.nowMs() };
    const registry = await backend.bus.publish(payload, seed);
    this.#observe(registry);
    return registry;
  }

  #beginWait(registry: Registry, startedAtMs: number): Wait {
    const wait: Wait = {
      ...this.#freshWait(registry),
      acknowledged: new Set(),
      expired: new Set(),
      startedAtMs,
      wake: () => undefined,
    };
    this.#waits.add(wait);
    // Those that answered faster than our own publish call returned are in the early acknowledgements.
    for (const [instance, acked] of this.#early) {
      if (acked.epoch === wait.epoch && acked.seq >= wait.seq && wait.seq > 0) {
        settle(wait, instance, wait.acknowledged);
      }
    }
    return wait;
  }

  #freshWait(registry: Registry): Pick<Wait, 'epoch' | 'seq' | 'pending' | 'notBeforeMs'> {
    return {
      epoch: registry.epoch,
      seq: registry.seq,
      pending: new Set(registry.members.map((member) => member.instance)),
      notBeforeMs: this.#epoch?.notBeforeMs ?? 0,
    };
  }

  readonly #early = new Map<string, { epoch: string; seq: number }>();

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

  /** Remembers since when each member has not renewed, and how old the epoch is. */
  #observe(registry: Registry): void {
    const nowMs = this.#now();
    for (const member of registry.members) {
      if (this.#seen.get(member.instance)?.nonce === member.nonce) continue;
      this.#seen.set(member.instance, { nonce: member.nonce, sinceMs: nowMs });
    }
    for (const instance of this.#seen.keys()) {
      if (!registry.members.some((member) => member.instance === instance)) this.#seen.delete(instance);
    }
    if (this.#epoch?.name === registry.epoch) return;
    const ageMs = this.#options.clock.nowMs() - registry.sinceMs;
    const restMs = Math.min(this.#options.leaseMs, this.#options.leaseMs + CLOCK_SLACK_MS - ageMs);
    this.#epoch = { name: registry.epoch, notBeforeMs: restMs > 0 ? nowMs + restMs : 0 };
    this.#early.clear();
  }

  #hasRunOut(member: Member): boolean {
    const seen = this.#seen.get(member.instance);
    return seen?.nonce === member.nonce && this.#now() - seen.sinceMs >= member.leaseMs;
  }

  #startWatching(): void {
    if (this.#timer !== undefined) return;
    this.#options.backend.bus.subscribe(['acks'], {
      onMessage: (_channel, text) => this.#receive(text),
      onSubscribed: () => undefined,
      onLost: () => undefined,
    });
    // Watching all the time, a gateway that died an hour ago does not delay the next flip.
    this.#timer = setInterval(() => void this.#watch(), this.#options.leaseMs / 3).unref();
  }

  async #watch(): Promise<void> {
    try {
      const registry = await this.#options.backend.bus.registry();
      if (registry !== undefined) this.#observe(registry);
    } catch {
      // The connection's own state is logged; the next look tries again.
    }
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
