import type { Clock } from '../core/clock.ts';
import { EdgeError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { FunctionProcess, type EndReason, type Owner, type ProcessSettings } from './function-process.ts';
import type { Guardian } from './guardian.ts';
import type { FunctionMetrics } from './function-metrics.ts';

/** How often processes are looked after; a stuck one is found after so many unanswered looks. */
const TICKS_UNTIL_STUCK = 8;
/** A deployment whose processes ended badly so often within this time is not given another one until it has passed. */
const MAX_BAD_ENDS = 5;
const BAD_ENDS_MS = 30_000;
/** To start a process stops the supervisor for some milliseconds. */
const REFILL_DELAY_MS = 15;
/** Wait before a spare process that ended at its start is replaced. */
const RESTART_DELAY_MS = 1000;

export type PoolSettings = {
  maxProcesses: number;
  spareProcesses: number;
  processIdleMs: number;
  stuckAfterMs: number;
};

type Parts = {
  process: ProcessSettings;
  guardian: Guardian;
  metrics: FunctionMetrics;
  log: Logger;
  clock: Clock;
};

/**
 * The function processes: one for each deployment that is called, taken from a few that are started in advance. Bounded:
 * past the limit the one that was idle longest makes room.
 */
export class FunctionPool {
  readonly #settings: PoolSettings;
  readonly #parts: Parts;
  readonly #assigned = new Map<string, FunctionProcess>();
  readonly #spares: FunctionProcess[] = [];
  readonly #alive = new Set<FunctionProcess>();
  /** When processes of a deployment ended badly, by its key. */
  readonly #badEnds = new Map<string, number[]>();
  readonly #ticker: NodeJS.Timeout;
  #refilling: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(settings: PoolSettings, parts: Parts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#ticker = setInterval(() => this.#tick(), settings.stuckAfterMs / TICKS_UNTIL_STUCK);
    this.#ticker.unref();
  }

  /** Resolves when a first process has shown that processes can be started. */
  async start(): Promise<void> {
    this.#refill();
    const first = this.#spares[0] ?? this.#spawn();
    await first.ready;
    if (this.#settings.spareProcesses === 0) first.end('evicted');
  }

  /** Whether one more deployment can have a process without another one losing its own. */
  get hasRoom(): boolean {
    return this.#assigned.size < this.#maxAssigned;
  }

  /** The process of the deployment, if it has one that lives. */
  find(owner: Owner): FunctionProcess | undefined {
    const process = this.#assigned.get(keyOf(owner));
    return process?.endReason === undefined ? process : undefined;
  }

  /**
   * The process of the deployment, a new one if need be (await its `ready`).
   *
   * @throws EdgeError RUNNER_OVERLOADED when every process has calls under way; RUNNER_BROKE_OFF when the deployment
   *   has just ended one process after another.
   */
  acquire(owner: Owner): FunctionProcess {
    const known = this.find(owner);
    if (known !== undefined) return known;
    if (this.#isClosed) throw new EdgeError('DRAINING');
    if (this.#recentBadEnds(keyOf(owner)).length >= MAX_BAD_ENDS) {
      throw new EdgeError('RUNNER_BROKE_OFF', {
        detail: 'its processes end one after another; held back for a while',
      });
    }
    this.#makeRoom();
    const process = this.#takeSpare() ?? this.#spawn();
    process.owner = owner;
    process.lastUsedMs = this.#parts.clock.monotonicMs();
    this.#assigned.set(keyOf(owner), process);
    this.#report();
    return process;
  }

  /** Starts spare processes where some are missing, in a moment: a cold call that is just being answered needs the CPU. */
  refillSoon(): void {
    if (this.#spares.length >= this.#settings.spareProcesses || this.#refilling !== undefined) return;
    this.#refilling = setTimeout(() => {
      this.#refilling = undefined;
      this.#refill();
    }, REFILL_DELAY_MS).unref();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#ticker);
    clearTimeout(this.#refilling);
    const alive = [...this.#alive];
    for (const process of alive) process.end('closed');
    await Promise.all(alive.map((process) => process.ended));
  }

  get #maxAssigned(): number {
    return Math.max(1, this.#settings.maxProcesses - this.#settings.spareProcesses);
  }

  /** Keeps assigned and spare processes together within the limit. */
  #makeRoom(): void {
    if (this.hasRoom) return;
    const idle = [...this.#assigned.values()].filter((process) => process.callCount === 0);
    const oldest = idle.toSorted((a, b) => a.lastUsedMs - b.lastUsedMs)[0];
    if (oldest === undefined) {
      throw new EdgeError('RUNNER_OVERLOADED', { detail: 'every function process is busy' });
    }
    this.#end(oldest, 'evicted');
  }

  /** The spare process that has been starting longest. */
  #takeSpare(): FunctionProcess | undefined {
    let spare = this.#spares.shift();
    while (spare?.endReason !== undefined) spare = this.#spares.shift();
    return spare;
  }

  #spawn(): FunctionProcess {
    const process = new FunctionProcess(this.#parts.process);
    const { pid } = process;
    this.#alive.add(process);
    if (pid !== undefined) this.#parts.guardian.watch(pid);
    void this.#bury(process, pid);
    return process;
  }

  async #bury(process: FunctionProcess, pid: number | undefined): Promise<void> {
    const reason = await process.ended;
    if (pid !== undefined) this.#parts.guardian.unwatch(pid);
    this.#alive.delete(process);
    this.#detach(process);
    this.#parts.metrics.processEnded(reason);
    if (reason === 'crashed' || reason === 'stuck' || reason === 'memory') {
      this.#parts.log.warn({ ...process.owner, reason }, 'a function process ended');
      if (process.owner !== undefined) this.#noteBadEnd(keyOf(process.owner));
    }
    if (process.owner === undefined) setTimeout(() => this.#refill(), RESTART_DELAY_MS).unref();
  }

  #noteBadEnd(key: string): void {
    this.#badEnds.set(key, [...this.#recentBadEnds(key), this.#parts.clock.monotonicMs()]);
  }

  #recentBadEnds(key: string): number[] {
    const since = this.#parts.clock.monotonicMs() - BAD_ENDS_MS;
    return (this.#badEnds.get(key) ?? []).filter((endedMs) => endedMs > since);
  }

  #end(process: FunctionProcess, reason: EndReason): void {
    process.end(reason);
    this.#detach(process);
  }

  #detach(process: FunctionProcess): void {
    const spare = this.#spares.indexOf(process);
    if (spare !== -1) this.#spares.splice(spare, 1);
    const key = process.owner === undefined ? undefined : keyOf(process.owner);
    if (key !== undefined && this.#assigned.get(key) === process) this.#assigned.delete(key);
    this.#report();
  }

  #refill(): void {
    if (this.#isClosed || this.#spares.length >= this.#settings.spareProcesses) return;
    while (this.#spares.length < this.#settings.spareProcesses) this.#spares.push(this.#spawn());
    this.#report();
  }

  #tick(): void {
    const idleBeforeMs = this.#parts.clock.monotonicMs() - this.#settings.processIdleMs;
    for (const process of this.#assigned.values()) {
      if (process.callCount === 0 && process.lastUsedMs < idleBeforeMs) this.#end(process, 'idle');
      else process.tick(TICKS_UNTIL_STUCK);
      if (process.endReason !== undefined) this.#detach(process);
    }
    for (const key of this.#badEnds.keys())
      if (this.#recentBadEnds(key).length === 0) this.#badEnds.delete(key);
  }

  #report(): void {
    this.#parts.metrics.setProcesses(this.#assigned.size, this.#spares.length);
  }
}

function keyOf({ projectId, deploymentId }: Owner): string {
  return `${projectId}/${deploymentId}`;
}
