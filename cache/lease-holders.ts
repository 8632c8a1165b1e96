import type { Clock } from '../core/clock.ts';
import type { Member, Registry } from './backend.ts';
import { COUNTED_SHARE, firstLeaseMs } from './lease.ts';

/** Clocks of processes may differ by this much. */
const CLOCK_SLACK_MS = 1000;
/** What a registry that is not there counts as: nobody has a lease in it. */
const NO_EPOCH = '';

/**
 * Who may hold a lease, as far as one process can tell from the registry that it reads again and again.
 *
 * A registry can be lost (flush, restart, eviction) while gateways that nobody can reach still believe in their leases.
 * Those that were in it when it was last read are known by name. Those that joined after that are strangers, and their
 * leases are short: a gateway's are, until it has been in the registry for `firstLeaseMs`. So where the last look is
 * no older than that, strangers are over soon; else they may hold whole leases.
 */
export class LeaseHolders {
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #renewals = new Map<string, { nonce: string; sinceMs: number }>();
  /** Members of a registry that was lost which are not in the present one: until when they may hold their leases. */
  readonly #missing = new Map<string, number>();
  #strangersUntilMs = 0;
  #members: readonly Member[] = [];
  #epoch: string | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, leaseMs: number) {
    this.#clock = clock;
    this.#leaseMs = leaseMs;
  }

  /** Until then gateways may hold a lease that this process never heard of; 0 when there are none. */
  get strangersUntilMs(): number {
    return this.#strangersUntilMs;
  }

  /** Takes in what the registry said to a question of `askedAtMs`; undefined: there is none. */
  observe(registry: Registry | undefined, askedAtMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    const members = registry?.members ?? [];
    const epoch = registry?.epoch ?? NO_EPOCH;
    if (epoch !== this.#epoch) this.#changeEpoch(nowMs, registry);
    this.#noteRenewals(members, nowMs);
    for (const { instance } of members) this.#missing.delete(instance);
    this.#members = members;
    this.#epoch = epoch;
    this.#askedAtMs = askedAtMs;
  }

  /** Names of those that are in no registry any more and may still hold a lease. */
  missing(): string[] {
    return [...this.#missing.keys()].filter((instance) => this.isMissing(instance));
  }

  isMissing(instance: string): boolean {
    return this.#clock.monotonicMs() < (this.#missing.get(instance) ?? 0);
  }

  /** Whether no renewal was seen for as long as its lease lasts. */
  hasRunOut(member: Member): boolean {
    const seen = this.#renewals.get(member.instance);
    return seen?.nonce === member.nonce && this.#clock.monotonicMs() - seen.sinceMs >= member.leaseMs;
  }

  #changeEpoch(nowMs: number, registry: Registry | undefined): void {
    for (const [instance, untilMs] of this.#missing) if (untilMs <= nowMs) this.#missing.delete(instance);
    const restMs = this.#restOfLostLeasesMs(registry, nowMs);
    if (restMs <= 0) {
      this.#missing.clear();
      this.#strangersUntilMs = 0;
      return;
    }
    for (const { instance, leaseMs } of this.#members) {
      this.#missing.set(instance, nowMs + Math.min(restMs, leaseMs));
    }
    const hasWatched = nowMs - this.#askedAtMs <= firstLeaseMs(this.#leaseMs) * COUNTED_SHARE;
    const strangersMs = hasWatched ? Math.min(restMs, firstLeaseMs(this.#leaseMs)) : restMs;
    this.#strangersUntilMs = Math.max(this.#strangersUntilMs, nowMs + strangersMs);
  }

  /**
   * How long leases of the registry before this one may last at most, by the age that this one tells; but the one before
   * was there when it was last read, so whatever clock began this one, it is no older than that.
   */
  #restOfLostLeasesMs(registry: Registry | undefined, nowMs: number): number {
    if (registry === undefined) return this.#leaseMs;
    const ageMs = Math.min(this.#clock.nowMs() - registry.sinceMs, nowMs - this.#askedAtMs);
    return Math.min(this.#leaseMs, this.#leaseMs + CLOCK_SLACK_MS - ageMs);
  }

  #noteRenewals(members: readonly Member[], nowMs: number): void {
    for (const { instance, nonce } of members) {
      if (this.#renewals.get(instance)?.nonce !== nonce)
        this.#renewals.set(instance, { nonce, sinceMs: nowMs });
    }
    for (const instance of this.#renewals.keys()) {
      if (!members.some((member) => member.instance === instance)) this.#renewals.delete(instance);
    }
  }
}
