import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Backend, BusChannel, Member } from './backend.ts';

/** Share of the lease that this process counts on: its clock and the publisher's may run apart by the rest. */
export const COUNTED_SHARE = 0.9;
const BEATS_PER_LEASE = 3;
/** Share of a lease that a gateway gets until it has been in the registry for as long. */
const FIRST_LEASE_SHARE = 1 / 3;
const RETRY_MS = 250;

/**
 * How long the leases of a newcomer last. Whoever invalidates may not have heard of it yet; were the registry lost at
 * this moment, he would have to wait for leases that he does not know, and so for no longer than this.
 */
export function firstLeaseMs(leaseMs: number): number {
  return leaseMs * FIRST_LEASE_SHARE;
}

/**
 * Under what a process may use near copies of coherent families without asking. `validUntilMs` is monotonic time;
 * a copy confirmed under another `generation` must be confirmed again. Plain fields: the hot path reads them.
 */
export type Lease = { validUntilMs: number; generation: number };

/** A process that shares its data with no other needs no lease: its copies live as long as `L1_TTL` says. */
export function unlimitedLease(): Lease {
  return { validUntilMs: Number.POSITIVE_INFINITY, generation: 0 };
}

/** A process without a lease never uses near copies of coherent families without asking. */
export function noLease(): Lease {
  return { validUntilMs: 0, generation: 0 };
}

export type LeaseEvents = {
  /** A message of the bus; called before its acknowledgement goes out. */
  onMessage(payload: string): void;
  /** Messages may have been missed: nothing near is current until confirmed. */
  onAllInvalidated(reason: 'epoch' | 'gap' | 'lost'): void;
  /** The first lease of this process began. */
  onFirstHeld(): void;
  /** A heartbeat reached the server; `acked` is the last invalidation applied. */
  onRenewed(acked: number): void;
};

export type LeaseOptions = {
  backend: Backend;
  clock: Clock;
  log: Logger;
  instance: string;
  leaseMs: number;
  events: LeaseEvents;
};

/**
 * A gateway's membership of the bus. The lease begins anew with each heartbeat that came back over the
 * subscription: that proves, at the cost of one small message, that the subscription works and that everything
 * published before it has been seen.
 */
export class HeldLease implements Lease {
  validUntilMs = 0;
  generation = 0;
  readonly #options: LeaseOptions;
  #epoch: string | undefined;
  #applied = 0;
  #nonce = '';
  #sentAtMs = 0;
  /** When it was last seen to be new in the registry; Infinity: not seen there yet. */
  #registeredAtMs = Number.POSITIVE_INFINITY;
  #unanswered = 0;
  #timer: NodeJS.Timeout | undefined;
  #isAcking = false;
  #hasMoreToAck = false;
  #isClosed = false;
  #wasHeld = false;
  readonly #memberId: string;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#memberId = memberIdFor(options.instance);
  }

  start(): void {
    this.#options.backend.bus.subscribe(['events'], {
      onMessage: (_channel: BusChannel, text) => this.#receive(text),
      onSubscribed: () => void this.#beat(),
      onLost: () => this.#lose('lost'),
    });
  }

  get isValid(): boolean {
    return this.#options.clock.monotonicMs() < this.validUntilMs;
  }

  get appliedSeq(): number {
    return this.#applied;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.validUntilMs = 0;
    // Best effort: without it, the next flip waits until the lease has run out.
    await this.#options.backend.bus.leave(this.#memberId).catch(() => undefined);
  }

  async #beat(): Promise<void> {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    const { backend, clock } = this.#options;
    let retryMs = Number.POSITIVE_INFINITY;
    this.#noticeSilence();
    this.#nonce = crypto.randomUUID().slice(0, 8);
    this.#sentAtMs = clock.monotonicMs();
    this.#unanswered += 1;
    try {
      const seed = { candidate: crypto.randomUUID(), nowMs: clock.nowMs() };
      const { epoch } = await backend.bus.renew(this.#member(), seed);
      if (epoch !== this.#epoch) this.#registeredAtMs = Number.POSITIVE_INFINITY;
      if (!this.#isClosed) this.#options.events.onRenewed(this.#applied);
    } catch (error) {
      this.#options.log.debug({ error: messageOf(error) }, 'the lease was not renewed');
      retryMs = RETRY_MS;
      this.#unanswered -= 1;
    }
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    const delayMs = Math.min(this.#lengthMs(clock.monotonicMs()) / BEATS_PER_LEASE, retryMs);
    this.#timer = setTimeout(() => void this.#beat(), delayMs).unref();
  }

  /** Renewals reach the server but do not come back: the subscription is dead without having said so. */
  #noticeSilence(): void {
    if (this.#unanswered < 2) return;
    this.#unanswered = 0;
    this.#options.backend.bus.resubscribe();
  }

  #receive(text: string): void {
    const [kind = '', epoch = '', seq = '', instance, nonce, isNew] = text.split(' ', 6);
    if (kind === 'h') {
      const isOfMine = instance === this.#memberId;
      // Whichever of its heartbeats it was.
      if (isOfMine && isNew === '1') this.#registeredAtMs = this.#options.clock.monotonicMs();
      this.#receiveHeartbeat(epoch, Number(seq), isOfMine && nonce === this.#nonce);
    }
    if (kind === 'i')
      this.#receiveInvalidation(epoch, Number(seq), text.slice(epoch.length + seq.length + 4));
  }

  #receiveInvalidation(epoch: string, seq: number, payload: string): void {
    this.#options.events.onMessage(payload);
    if (epoch !== this.#epoch) {
      // Not our epoch, so no lease in it: the publisher waits for the old leases, and we begin a new one.
      if (this.#epoch === undefined) return;
      this.#lose('epoch');
      void this.#beat();
      return;
    }
    if (seq === 0 || seq <= this.#applied) return;
    if (seq > this.#applied + 1) this.#skipTo(seq);
    this.#applied = seq;
    void this.#ack();
  }

  #receiveHeartbeat(epoch: string, seq: number, isMine: boolean): void {
    const isOtherEpoch = epoch !== this.#epoch;
    if (isOtherEpoch && !isMine) return;
    if (isOtherEpoch) {
      this.#epoch = epoch;
      this.#applied = seq;
      this.#endAll('epoch');
      // Whoever published since the registry has this process waits for it.
      void this.#ack();
    } else if (seq > this.#applied) {
      this.#skipTo(seq);
      void this.#ack();
    }
    if (!isMine) return;
    if (isOtherEpoch) this.#registeredAtMs = this.#options.clock.monotonicMs();
    this.#renewed();
  }

  #renewed(): void {
    this.#unanswered = 0;
    this.validUntilMs = this.#sentAtMs + this.#lengthMs(this.#sentAtMs) * COUNTED_SHARE;
    if (this.#wasHeld) return;
    this.#wasHeld = true;
    this.#options.events.onFirstHeld();
  }

  /** How long a lease lasts that is renewed at this moment. */
  #lengthMs(nowMs: number): number {
    const { backend, leaseMs } = this.#options;
    const firstMs = firstLeaseMs(leaseMs);
    // A memory server's registry is never lost.
    return backend.kind === 'memory' || nowMs - this.#registeredAtMs >= firstMs ? leaseMs : firstMs;
  }

  /** Messages up to `seq` were missed: whatever they named, nothing near counts any more. */
  #skipTo(seq: number): void {
    this.#applied = seq;
    this.#endAll('gap');
  }

  #lose(reason: 'lost' | 'epoch'): void {
    this.validUntilMs = 0;
    this.#epoch = undefined;
    this.#registeredAtMs = Number.POSITIVE_INFINITY;
    this.#endAll(reason);
  }

  #endAll(reason: 'epoch' | 'gap' | 'lost'): void {
    this.generation += 1;
    this.#options.events.onAllInvalidated(reason);
  }

  /** One acknowledgement at a time: while one is on its way, the next covers all that came in between. */
  async #ack(): Promise<void> {
    this.#hasMoreToAck = true;
    if (this.#isAcking) return;
    this.#isAcking = true;
    while (this.#hasMoreToAck && this.#epoch !== undefined) {
      this.#hasMoreToAck = false;
      // A lost one is made good by the next heartbeat, which carries the same number.
      await this.#options.backend.bus.ack(this.#member(), this.#epoch).catch(() => undefined);
    }
    this.#isAcking = false;
  }

  #member(): Member {
    const { leaseMs } = this.#options;
    return {
      instance: this.#memberId,
      nonce: this.#nonce,
      acked: this.#applied,
      leaseMs,
      epoch: this.#epoch ?? '-',
    };
  }
}

const MEMBER_MARK = '#';

/**
 * Two gateways may be given the same name, and one that was killed may return under its own: neither may answer
 * for the other, so each process is a member of its own.
 */
function memberIdFor(instance: string): string {
  return `${instance}${MEMBER_MARK}${crypto.randomUUID().slice(0, 8)}`;
}

/** The name that a member was given. */
export function instanceOf(memberId: string): string {
  const mark = memberId.lastIndexOf(MEMBER_MARK);
  return mark === -1 ? memberId : memberId.slice(0, mark);
}
