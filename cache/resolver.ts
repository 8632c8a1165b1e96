import type { Clock } from '../core/clock.ts';
import { EdgeError, messageOf, toEdgeError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Backend } from './backend.ts';
import type { Loader } from './cache.ts';
import { callLoader, within } from './call-loader.ts';
import type { ColdBudget } from './cold-budget.ts';
import type { CacheConfig } from './config.ts';
import type { EntryWriter, Filled } from './entry-writer.ts';
import { TOKEN_LENGTH } from './entry.ts';
import type { CacheKey } from './family.ts';
import { Flights } from './flights.ts';
import { isDueEarly } from './freshness.ts';
import type { LoadGate } from './load-gate.ts';
import type { Loaded, Resolved } from './lookup.ts';
import type { Near } from './near.ts';
import type { Found, SharedTier } from './shared-tier.ts';
import type { Statistics } from './statistics.ts';

/** How long a process waits for another one that is loading the same key. */
const WAIT_FOR_OTHER_MS = 200;
const FIRST_LOOK_MS = 8;
const LONGEST_LOOK_MS = 40;

/** Refusals that say that what was loaded is out of date already. */
const OVERTAKEN: ReadonlySet<string> = new Set(['purged-meanwhile', 'older-revision']);

const TOO_MANY_COLD = {
  kind: 'failed' as const,
  cause: new EdgeError('OVERLOADED', { detail: 'too many loads a second of keys that nothing is known of' }),
};

export type ResolverOptions = {
  backend: Backend;
  clock: Clock;
  config: CacheConfig;
  log: Logger;
  near: Near;
  shared: SharedTier;
  writer: EntryWriter;
  gate: LoadGate;
  coldBudget: ColdBudget;
  statistics: Statistics;
};

/** One resolution under way: when it began decides what may be kept of it. */
type Attempt<Value> = {
  key: CacheKey<Value>;
  loader: Loader<Value>;
  /** Moment of the generations. */
  began: number;
  /** Monotonic. */
  startedAtMs: number;
};

type LoadOutcome<Value> = { kind: 'loaded'; loaded: Loaded<Value> } | { kind: 'failed'; cause: EdgeError };
type StaleValue<Value> = Extract<Found<Value>, { kind: 'value' }>;

/** Shared cache -> loader, collapsed in the process and claimed across processes. It never throws. */
export class Resolver {
  readonly #options: ResolverOptions;
  readonly #flights = new Flights();
  readonly #refreshes = new Flights();

  constructor(options: ResolverOptions) {
    this.#options = options;
  }

  get underWay(): number {
    return this.#flights.size + this.#refreshes.size;
  }

  resolve<Value>(key: CacheKey<Value>, loader: Loader<Value>): Promise<Resolved<Value>> {
    const isSafeToJoin = this.#options.near.hearsOfInvalidations(key.family);
    return this.#flights.run(key.name, isSafeToJoin, () => this.#attempt(key, loader));
  }

  /** Loads anew and stores, in the background, unless that is already being done. */
  refresh<Value>(key: CacheKey<Value>, loader: Loader<Value>): void {
    if (this.#refreshes.has(key.name)) return;
    const work = async (): Promise<void> => {
      const attempt = this.#begin(key, loader);
      const token = await this.#claim(key);
      if (token === undefined) return;
      this.#options.statistics.family(key.family.name).earlyRefreshes += 1;
      await this.#loadAndKeep(attempt, token);
    };
    void this.#refreshes.run(key.name, true, work);
  }

  /** What is under way goes on for those who wait for it; nobody joins it any more. */
  detach(name: string): void {
    this.#flights.detach(name);
    this.#refreshes.detach(name);
  }

  detachAll(): void {
    this.#flights.detachAll();
    this.#refreshes.detachAll();
  }

  #begin<Value>(key: CacheKey<Value>, loader: Loader<Value>): Attempt<Value> {
    const { near, clock } = this.#options;
    return { key, loader, began: near.begin(), startedAtMs: clock.monotonicMs() };
  }

  async #attempt<Value>(key: CacheKey<Value>, loader: Loader<Value>): Promise<Resolved<Value>> {
    const attempt = this.#begin(key, loader);
    const confirmed = await this.#options.near.confirm(key, attempt);
    if (confirmed !== undefined) return confirmed;
    const found = await this.#options.shared.find(key);
    const counts = this.#options.statistics.family(key.family.name);
    switch (found.kind) {
      case 'value':
        counts.sharedHits += 1;
        return found.isFresh ? this.#serveFresh(attempt, found) : this.#refreshStale(attempt, found);
      case 'absent':
        counts.sharedNegativeHits += 1;
        this.#options.near.keepAbsence(attempt, found.head, 0);
        return { kind: 'absent', source: 'shared' };
      case 'nothing':
        counts.misses += 1;
        return this.#loadCold(attempt, found.isVacant);
      case 'error':
        return (await this.#isAdmitted(key)) ? this.#loadAndKeep(attempt, undefined) : TOO_MANY_COLD;
      default:
        return found satisfies never;
    }
  }

  #serveFresh<Value>(attempt: Attempt<Value>, found: StaleValue<Value>): Resolved<Value> {
    const { clock, near } = this.#options;
    near.keepValue(attempt, found.value, { ...found.head, bytes: found.bytes });
    if (isDueEarly({ ...found.head, nowMs: clock.nowMs(), random: Math.random() })) {
      this.refresh(attempt.key, attempt.loader);
    }
    return fromShared(found, false);
  }

  /** Past its freshness, within its grace: one process loads, for so long that is worth waiting; the others serve it. */
  async #refreshStale<Value>(attempt: Attempt<Value>, found: StaleValue<Value>): Promise<Resolved<Value>> {
    const counts = this.#options.statistics.family(attempt.key.family.name);
    const token = await this.#claim(attempt.key);
    if (token === undefined) {
      counts.staleServed += 1;
      return fromShared(found, true);
    }
    const load = this.#loadAndKeep(attempt, token);
    const fresh = await within(load, this.#options.config.loadSoftMs);
    if (fresh !== undefined && fresh.kind !== 'failed' && !isLastKnownGood(fresh)) return fresh;
    counts.staleServed += 1;
    return fromShared(found, true);
  }

  /** Nothing there: one process loads, the others wait for what it stores, then load for themselves. */
  async #loadCold<Value>(attempt: Attempt<Value>, isVacant: boolean): Promise<Resolved<Value>> {
    if (!(await this.#isAdmitted(attempt.key))) return TOO_MANY_COLD;
    const token = await this.#claim(attempt.key, isVacant);
    if (token !== undefined) return this.#loadAndKeep(attempt, token);
    this.#options.statistics.family(attempt.key.family.name).claimWaits += 1;
    return (await this.#waitForOther(attempt)) ?? this.#loadAndKeep(attempt, undefined);
  }

  async #waitForOther<Value>(attempt: Attempt<Value>): Promise<Resolved<Value> | undefined> {
    const endMs = performance.now() + WAIT_FOR_OTHER_MS;
    let pauseMs = FIRST_LOOK_MS;
    while (performance.now() < endMs && this.#options.backend.isUp()) {
      await pause(pauseMs * (0.75 + Math.random() / 2));
      pauseMs = Math.min(LONGEST_LOOK_MS, pauseMs * 1.5);
      const startedAtMs = this.#options.clock.monotonicMs();
      const found = await this.#options.shared.find(attempt.key);
      if (found.kind === 'value' && found.isFresh)
        return this.#serveFresh({ ...attempt, startedAtMs }, found);
      if (found.kind === 'absent') {
        this.#options.near.keepAbsence({ ...attempt, startedAtMs }, found.head, 0);
        return { kind: 'absent', source: 'shared' };
      }
      if (found.kind === 'error') return undefined;
    }
    return undefined;
  }

  async #loadAndKeep<Value>(attempt: Attempt<Value>, token: string | undefined): Promise<Resolved<Value>> {
    const { key } = attempt;
    const { clock, near, writer } = this.#options;
    const loadStartedAtMs = clock.monotonicMs();
    const outcome = await this.#load(attempt);
    if (outcome.kind === 'failed') {
      if (token !== undefined) this.#unclaim(key, token);
      return near.lastKnownGood(key) ?? outcome;
    }
    const loadMs = clock.monotonicMs() - loadStartedAtMs;
    const tookMs = clock.monotonicMs() - attempt.startedAtMs;
    const filled = await writer.fill(key, outcome.loaded, { token, loadMs, tookMs });
    // Nothing came of the claim (too large, nothing to remember): others need not wait for it to run out.
    if (token !== undefined && filled.outcome.kind !== 'stored') this.#unclaim(key, token);
    return this.#keep(attempt, outcome.loaded, filled, loadMs);
  }

  async #keep<Value>(
    attempt: Attempt<Value>,
    loaded: Loaded<Value>,
    filled: Filled,
    loadMs: number,
  ): Promise<Resolved<Value>> {
    const { near, shared } = this.#options;
    const { outcome } = filled;
    if (outcome.kind === 'refused' && outcome.reason === 'older-revision') {
      // Somebody stored a newer one while this was loading: that is the answer.
      const newer = await shared.find(attempt.key);
      if (newer.kind === 'value' && newer.isFresh) return fromShared(newer, false);
    }
    // Older than what was purged: the source is behind. It is answered for want of a better one, and not kept.
    const isKeepable = outcome.kind !== 'refused' || !OVERTAKEN.has(outcome.reason);
    if (loaded.kind === 'absent') {
      near.forget(attempt);
      if (isKeepable) near.keepAbsence(attempt, filled, loadMs);
      return { kind: 'absent', source: 'loader' };
    }
    this.#options.coldBudget.giveBack(attempt.key.family);
    if (isKeepable) near.keepValue(attempt, loaded.value, { ...filled, loadMs });
    else near.keepAsLastKnownGood(attempt, loaded.value, { ...filled, loadMs });
    return {
      kind: 'found',
      value: loaded.value,
      source: 'loader',
      ageMs: 0,
      isStale: false,
      isLastKnownGood: false,
    };
  }

  async #load<Value>(attempt: Attempt<Value>): Promise<LoadOutcome<Value>> {
    const { key, loader } = attempt;
    const { gate, config, log, statistics } = this.#options;
    const counts = statistics.family(key.family.name);
    try {
      const loaded = await gate.run(() => {
        counts.loads += 1;
        return callLoader(loader, config.loadHardMs);
      }, config.loadHardMs);
      if (loaded !== undefined) return { kind: 'loaded', loaded };
      return { kind: 'failed', cause: new EdgeError('OVERLOADED', { detail: 'too many loads wait' }) };
    } catch (error) {
      counts.loadFailures += 1;
      log.debug({ family: key.family.name, error: messageOf(error) }, 'a load failed');
      return { kind: 'failed', cause: toEdgeError(error) };
    }
  }

  /** Whether a load may begin for a key of which neither tier knows anything. */
  async #isAdmitted(key: CacheKey<unknown>): Promise<boolean> {
    const { coldBudget, near, statistics } = this.#options;
    if (near.knows(key.name) || (await coldBudget.admit(key.family))) return true;
    statistics.family(key.family.name).loadsRefusedByRate += 1;
    return false;
  }

  /** Best effort: a claim that cannot be given up runs out. */
  #unclaim(key: CacheKey<unknown>, token: string): void {
    this.#options.backend.unclaim(key.name, token).catch(() => undefined);
  }

  /** The right to store what is loaded next; undefined when somebody else has it, or the cache cannot be asked. */
  async #claim(key: CacheKey<unknown>, isVacant = false): Promise<string | undefined> {
    const { backend, clock, config, statistics } = this.#options;
    const token = newToken();
    const nowMs = clock.nowMs();
    try {
      const untilMs = nowMs + config.loadHardMs + config.timeoutMs;
      const reply = await backend.claim(key.name, { token, nowMs, untilMs, isVacant });
      if (reply === 'replaced') statistics.family(key.family.name).unparsable += 1;
      return reply === 'taken' ? undefined : token;
    } catch {
      // Not stored then; the failure is counted by the connection.
      return undefined;
    }
  }
}

function fromShared<Value>(found: StaleValue<Value>, isStale: boolean): Resolved<Value> {
  return {
    kind: 'found',
    value: found.value,
    source: 'shared',
    ageMs: found.ageMs,
    isStale,
    isLastKnownGood: false,
  };
}

function isLastKnownGood(resolved: Resolved<unknown>): boolean {
  return resolved.kind === 'found' && resolved.isLastKnownGood;
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

function newToken(): string {
  return Math.floor(Math.random() * 36 ** TOKEN_LENGTH)
    .toString(36)
    .padStart(TOKEN_LENGTH, '0');
}
