import { Cluster } from 'ioredis';
import { endClient } from './clients.ts';
import type { CacheFailure } from './failure.ts';
import { toFailure } from './failure.ts';
import { UNKNOWN_INCARNATION } from '../entry.ts';
import { learnIncarnations, type Incarnations } from './incarnations.ts';
import type { Client } from './scripts.ts';
import { withDeadline } from './with-deadline.ts';

const FIRST_PROBE_MS = 50;
const LONGEST_PROBE_MS = 1000;
/** A socket that has not answered for this long is replaced: its peer may be gone without a word. */
const REPLACE_SOCKET_MS = 2000;
/** So many time-outs in a row open the circuit. */
const TIMEOUTS_TO_OPEN = 3;

export type ConnectionOptions = {
  client: Client;
  timeoutMs: number;
  /** A key that the probe writes: reading alone would not tell a replica from a primary. */
  probeKey: string;
  isCluster: boolean;
  /** `reason` is undefined when the connection became usable. */
  onChange(reason: CacheFailure | undefined): void;
};

/**
 * One connection with its circuit breaker. It is usable from a probe that succeeded until a failure that concerns
 * the whole server; then probes, backed off, decide when it is usable again. It never gives up.
 */
export class Connection {
  inFlight = 0;
  readonly client: Client;
  readonly #options: ConnectionOptions;
  #isUsable = false;
  #isClosed = false;
  #isProbing = false;
  #isCorked = false;
  #timeouts = 0;
  #probeDelayMs = FIRST_PROBE_MS;
  #downSinceMs = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #incarnations: Incarnations = () => UNKNOWN_INCARNATION;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.client = options.client;
    // ioredis reports every failed attempt here; the change of state is reported once, by #open.
    this.client.on('error', (error: Error) => this.#open(toFailure(error, 'connect')));
    this.client.on('close', () => this.#open(toFailure(new Error('Connection is closed'), 'connect')));
    this.client.on('ready', () => this.#probeSoon(0));
    if (options.isCluster) this.client.on('node error', () => undefined);
  }

  get isUsable(): boolean {
    return this.#isUsable;
  }

  /** Identity of the server process that holds a key of this physical name. */
  incarnation(physicalName: string): string {
    return this.#isUsable ? this.#incarnations(physicalName) : UNKNOWN_INCARNATION;
  }

  /**
   * Automatic pipelining: what is sent within one turn of the event loop leaves in one packet, without waiting for
   * anything else to come back.
   */
  cork(): void {
    if (this.#isCorked || this.client instanceof Cluster) return;
    const { stream } = this.client;
    this.#isCorked = true;
    stream.cork();
    process.nextTick(() => {
      this.#isCorked = false;
      stream.uncork();
    });
  }

  start(): void {
    this.client.connect().catch(() => undefined); // Reported by the 'error' event; ioredis tries again by itself.
    this.#probeSoon(REPLACE_SOCKET_MS);
  }

  succeeded(): void {
    this.#timeouts = 0;
  }

  failed(failure: CacheFailure): void {
    switch (failure.kind) {
      case 'loading':
      case 'readonly':
      case 'auth':
        return this.#open(failure);
      case 'connection':
      case 'cluster':
      case 'timeout':
        this.#timeouts += 1;
        if (this.#timeouts >= TIMEOUTS_TO_OPEN) this.#open(failure);
        return undefined;
      case 'oom':
      case 'denied':
      case 'overload':
      case 'other':
        return undefined;
      default:
        return failure.kind satisfies never;
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#isUsable = false;
    clearTimeout(this.#timer);
    endClient(this.client);
  }

  #open(failure: CacheFailure): void {
    if (this.#isClosed) return;
    if (this.#isUsable) {
      this.#isUsable = false;
      this.#downSinceMs = performance.now();
      this.#probeDelayMs = FIRST_PROBE_MS;
    }
    this.#options.onChange(failure);
    this.#probeSoon(this.#probeDelayMs);
  }

  #probeSoon(delayMs: number): void {
    if (this.#isClosed || this.#isUsable || this.#isProbing) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#probe(), delayMs).unref();
  }

  async #probe(): Promise<void> {
    this.#isProbing = true;
    try {
      if (this.client.status !== 'ready') throw new Error('Connection is not ready: timed out');
      await this.#handshake();
      this.#isUsable = true;
      this.#timeouts = 0;
      this.#options.onChange(undefined);
    } catch (error) {
      this.#options.onChange(toFailure(error, 'probe'));
      this.#replaceSilentSocket();
      this.#probeDelayMs = Math.min(LONGEST_PROBE_MS, this.#probeDelayMs * 2);
    } finally {
      this.#isProbing = false;
      this.#probeSoon(this.#probeDelayMs);
    }
  }

  async #handshake(): Promise<void> {
    const { timeoutMs, probeKey, isCluster } = this.#options;
    const write = isCluster
      ? Promise.resolve()
      : this.client.set(probeKey, '1', 'PX', 1000).catch(ignoreRefusal);
    const [incarnations] = await withDeadline(
      Promise.all([learnIncarnations(this.client), write]),
      timeoutMs,
      'probe',
    );
    this.#incarnations = incarnations;
  }

  #replaceSilentSocket(): void {
    const nowMs = performance.now();
    if (nowMs - this.#downSinceMs < REPLACE_SOCKET_MS || this.#isClosed) return;
    this.#downSinceMs = nowMs;
    const { client } = this;
    // While it looks for a server there is no socket yet, and what it waits for has deadlines of its own.
    const isSilent =
      client instanceof Cluster
        ? client.status !== 'reconnecting'
        : /^(?:connect|ready)$/.test(client.status);
    if (isSilent) client.disconnect(true);
  }
}

// Out of memory or without the right to write the probe's key, the server is there all the same: reads work.
function ignoreRefusal(error: unknown): void {
  const { kind } = toFailure(error, 'probe');
  if (kind !== 'oom' && kind !== 'denied') throw error;
}
