import type { Logger } from '../../core/log.ts';
import type { Counter } from '../../core/metrics.ts';
import type { Listening } from './messages.ts';
import type { Exit, ServingProcess } from './serving-process.ts';

/** A process that ended unasked is replaced after this time, doubled at each failure in a row. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** One that served for this long had no trouble with its start. */
const STEADY_MS = 60_000;

export type KeepOptions = {
  start: (slot: number) => ServingProcess;
  log: Logger;
  ends: Counter<'how'>;
};

/** One place among the serving processes: whatever runs there is replaced when it ends unasked. */
export class Slot {
  readonly slot: number;
  /** Where the process of this place can be asked; undefined while there is none. */
  listening: Listening | undefined;
  readonly #options: KeepOptions;
  #process: ServingProcess;
  #isStopping = false;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;

  private constructor(slot: number, options: KeepOptions, process: ServingProcess) {
    this.slot = slot;
    this.#options = options;
    this.#process = process;
  }

  /** @throws Error when the process ends before it listens: it has said why on standard error. */
  static async open(slot: number, options: KeepOptions): Promise<Slot> {
    const process = options.start(slot);
    const listening = await process.listening;
    if (listening === undefined) {
      const { code, signal } = await process.exited;
      throw new Error(`process ${slot} ended before it listened (${code ?? signal}); it says why above`);
    }
    const place = new Slot(slot, options, process);
    place.listening = listening;
    place.#watch(performance.now());
    return place;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Lets its process finish what runs. */
  async close(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#timer);
    await this.#process.stop();
  }

  #watch(startedAtMs: number): void {
    void this.#process.exited.then((exit) => this.#onEnd(exit, performance.now() - startedAtMs));
  }

  #onEnd({ code, signal }: Exit, ranMs: number): void {
    const { log, ends } = this.#options;
    const listened = this.listening;
    this.listening = undefined;
    if (this.#isStopping) return;
    ends.inc({ how: signal === null ? 'exit' : 'signal' });
    this.#failures = listened !== undefined && ranMs > STEADY_MS ? 1 : this.#failures + 1;
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS);
    log.error(
      { slot: this.slot, pid: this.pid, code, signal, pauseMs },
      'a serving process ended; starting another',
    );
    this.#timer = setTimeout(() => this.#replace(), pauseMs);
  }

  #replace(): void {
    this.#process = this.#options.start(this.slot);
    this.#watch(performance.now());
    void this.#process.listening.then((listening) => (this.listening = listening));
  }
}
