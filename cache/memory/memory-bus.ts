import type { BusChannel, BusListener, EpochSeed, Member, Registry } from '../backend.ts';

type Subscription = { channels: readonly BusChannel[]; listener: BusListener };

/** The bus and the registry of leases of a memory server. Delivery is immediate and in order. */
export class MemoryBus {
  #registry: { epoch: string; sinceMs: number; seq: number } | undefined;
  readonly #members = new Map<string, Member>();
  readonly #subscriptions = new Set<Subscription>();

  subscribe(channels: readonly BusChannel[], listener: BusListener): () => void {
    const subscription = { channels, listener };
    this.#subscriptions.add(subscription);
    listener.onSubscribed();
    return () => this.#subscriptions.delete(subscription);
  }

  renew(member: Member, seed: EpochSeed): { epoch: string; seq: number } {
    const { epoch, seq } = this.#ensure(seed);
    const isNew = this.#members.has(member.instance) ? 0 : 1;
    this.#members.set(member.instance, member);
    this.#send('events', `h ${epoch} ${seq} ${member.instance} ${member.nonce} ${isNew}`);
    return { epoch, seq };
  }

  ack(member: Member, epoch: string): void {
    if (this.#registry?.epoch !== epoch) return;
    if (this.#members.has(member.instance)) this.#members.set(member.instance, member);
    this.#send('acks', `a ${epoch} ${member.acked} ${member.instance}`);
  }

  leave(instance: string): void {
    this.#members.delete(instance);
  }

  publish(payload: string, seed: EpochSeed): Registry {
    const registry = this.#ensure(seed);
    registry.seq += 1;
    const { epoch, seq } = registry;
    this.#send('events', `i ${epoch} ${seq} ${payload}`);
    return { ...registry, seq, members: [...this.#members.values()] };
  }

  read(): Registry | undefined {
    return this.#registry && { ...this.#registry, members: [...this.#members.values()] };
  }

  forget(member: Member): void {
    if (this.#members.get(member.instance)?.nonce === member.nonce) this.#members.delete(member.instance);
  }

  // Nobody can have held a lease before the process began, so a memory server's first epoch is as old as can be.
  #ensure(seed: EpochSeed): { epoch: string; sinceMs: number; seq: number } {
    this.#registry ??= { epoch: seed.candidate, sinceMs: 0, seq: 0 };
    return this.#registry;
  }

  #send(channel: BusChannel, text: string): void {
    for (const { channels, listener } of this.#subscriptions) {
      if (channels.includes(channel)) listener.onMessage(channel, text);
    }
  }
}
