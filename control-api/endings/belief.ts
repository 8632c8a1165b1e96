import type { Clock } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { Closable } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/log.ts';
import type { OpenDatabase } from '../database/database.ts';
import type { Ending } from './endings.ts';

const LOOK_MS = 1000;
// From the beginning of a look. Several may fail before the cache is no longer believed.
const BELIEVED_MS = 4000;
const MAX_DOUBTED = 10_000;

export type BeliefParts = {
  database: OpenDatabase;
  clock: Clock;
  log: Logger;
  /** Called when a look finds changes that the cache was not told of. */
  onUntold: () => void;
};

/**
 * Which of the cache's values this control API may believe. A change that the cache could not be told of is noted in the
 * database, and every control API looks there once a second: what is noted is asked of the database instead. One that has
 * not looked for four seconds believes nothing of the cache, so whoever makes a change knows when nobody goes by what
 * was before: when the cache has been told, or those seconds later.
 */
export class Belief implements Closable {
  readonly #parts: BeliefParts;
  /** Names by the number of their note: of changes that this process made, and as the last look found them. */
  readonly #own = new Map<number, string>();
  #noted = new Map<number, string>();
  /** Of both. Empty, but for an outage. */
  #doubted: ReadonlySet<string> = new Set();
  #believedUntilMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(parts: BeliefParts) {
    this.#parts = parts;
  }

  /** Looks once, which must succeed, and from then on all the time. */
  async open(): Promise<void> {
    await this.#look();
    // Nobody else writes to an embedded database.
    if (this.#isAlone()) this.#believedUntilMs = Number.POSITIVE_INFINITY;
    else this.#arm();
  }

  mayBelieve(name: string): boolean {
    if (this.#doubted.has(name)) return false;
    return this.#parts.clock.monotonicMs() < this.#believedUntilMs;
  }

  /** Of notes that are committed and that the cache may not know of. */
  doubt(endings: readonly Ending[]): void {
    for (const { id, key } of endings) this.#own.set(id, key.name);
    this.#recount();
  }

  /** The cache was told of these. */
  trust(endings: readonly Ending[]): void {
    for (const { id } of endings) {
      this.#own.delete(id);
      this.#noted.delete(id);
    }
    this.#recount();
  }

  /** Resolves when every control API has looked since the call, or has stopped believing. */
  async untilAllDoubt(): Promise<void> {
    if (this.#isAlone()) return;
    await new Promise<void>((resolve) => {
      setTimeout(resolve, BELIEVED_MS);
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #isAlone(): boolean {
    return this.#parts.database.kind === 'pglite';
  }

  #arm(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look()
        .catch((error: unknown) => {
          const detail = { error: messageOf(error) };
          this.#parts.log.warn(detail, 'the database could not be asked what the cache was not told');
        })
        .finally(() => this.#arm());
    }, LOOK_MS).unref();
  }

  async #look(): Promise<void> {
    const { database, clock, onUntold } = this.#parts;
    const beganMs = clock.monotonicMs();
    const ownBefore = [...this.#own.keys()];
    const rows = await database.withSession((session) =>
      session.query('select id, name from pending_endings limit $1', [MAX_DOUBTED + 1]),
    );
    if (rows.length > 0) onUntold();
    this.#noted = new Map(rows.map(({ id, name }) => [Number(id), String(name)]));
    if (rows.length <= MAX_DOUBTED) {
      this.#believedUntilMs = beganMs + BELIEVED_MS;
      // A note that is gone was told of by another control API.
      for (const id of ownBefore) if (!this.#noted.has(id)) this.#own.delete(id);
    }
    this.#recount();
  }

  #recount(): void {
    this.#doubted = new Set([...this.#own.values(), ...this.#noted.values()]);
  }
}
