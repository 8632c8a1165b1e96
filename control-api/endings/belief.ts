import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { Closable } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/log.ts';
import type { OpenDatabase } from '../database/database.ts';
import type { SqlSession } from '../database/migrate.ts';
import type { Ending } from './endings.ts';
import { beginLook, endLook, haveOthersLook, join, leave, LOOK_CHANNEL, readNotes } from './looks.ts';

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
  /** Between looks that nobody asks for; default a second. */
  lookMs?: number;
  /** How long after a look the cache is believed; default four seconds. The same for every control API. */
  believedMs?: number;
};

/**
 * Which of the cache's values this control API may believe. A change that the cache could not be told of is noted in the
 * database, where every control API looks once a second, and when another one asks for it: what is noted is asked of the
 * database instead. Whoever makes a change waits until all others have looked. One that has not looked for four seconds
 * believes nothing of the cache, so that is the longest wait: for one that died.
 */
export class Belief implements Closable {
  readonly #parts: Required<BeliefParts>;
  readonly #id = randomUUID();
  /** Names by the number of their note: of changes that this process made, and as the last look found them. */
  readonly #own = new Map<number, string>();
  #noted = new Map<number, string>();
  /** Of both. Empty, but for an outage. */
  #doubted: ReadonlySet<string> = new Set();
  #believedUntilMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #isAskedFor = false;
  #hearing: Closable | undefined;
  #isClosed = false;

  constructor(parts: BeliefParts) {
    this.#parts = { lookMs: LOOK_MS, believedMs: BELIEVED_MS, ...parts };
  }

  /** Looks once, which must succeed, and from then on all the time. */
  async open(): Promise<void> {
    const { database } = this.#parts;
    if (this.#isAlone()) {
      await database.withSession((session) => this.#readNotes(session));
      // Nobody else writes to an embedded database.
      this.#believedUntilMs = Number.POSITIVE_INFINITY;
      return;
    }
    await database.withSession((session) => join(session, this.#id));
    await this.#look();
    this.#hearing = database.hear?.(LOOK_CHANNEL, () => this.#lookAtOnce());
    this.#arm(this.#parts.lookMs);
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
    const { database, believedMs, log } = this.#parts;
    try {
      await haveOthersLook(database, this.#id, believedMs);
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'who else believes the cache could not be read; waiting instead');
      await pause(believedMs);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#believedUntilMs = Number.NEGATIVE_INFINITY;
    clearTimeout(this.#timer);
    await this.#hearing?.close();
    await this.#looking;
    if (this.#isAlone()) return;
    // Without the database nobody can be told; the others give this one up when they have waited for it once.
    await this.#parts.database.withSession((session) => leave(session, this.#id)).catch(() => undefined);
  }

  #isAlone(): boolean {
    return this.#parts.database.kind === 'pglite';
  }

  #arm(afterMs: number): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => this.#run(), afterMs).unref();
  }

  #run(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    this.#isAskedFor = false;
    this.#looking = this.#look()
      .catch((error: unknown) => {
        const detail = { error: messageOf(error) };
        this.#parts.log.warn(detail, 'the database could not be asked what the cache was not told');
      })
      .finally(() => {
        this.#looking = undefined;
        this.#arm(this.#isAskedFor ? 0 : this.#parts.lookMs);
      });
  }

  /** A look that is under way may have begun too early to find what this one is for. */
  #lookAtOnce(): void {
    if (this.#looking === undefined) this.#run();
    else this.#isAskedFor = true;
  }

  async #look(): Promise<void> {
    const { database, clock, believedMs } = this.#parts;
    const beganMs = clock.monotonicMs();
    await database.withSession(async (session) => {
      const look = await beginLook(session);
      const isWhole = await this.#readNotes(session);
      if (!isWhole) return;
      if (await endLook(session, this.#id, look)) this.#believedUntilMs = beganMs + believedMs;
      else await join(session, this.#id);
    });
  }

  /** Answers whether there were no more than can be kept in mind. */
  async #readNotes(session: SqlSession): Promise<boolean> {
    const ownBefore = [...this.#own.keys()];
    const notes = await readNotes(session, MAX_DOUBTED + 1);
    if (notes.length > 0) this.#parts.onUntold();
    this.#noted = new Map(notes.map(({ id, name }) => [id, name]));
    const isWhole = notes.length <= MAX_DOUBTED;
    // A note that is gone was told of by another control API.
    if (isWhole) for (const id of ownBefore) if (!this.#noted.has(id)) this.#own.delete(id);
    this.#recount();
    return isWhole;
  }

  #recount(): void {
    this.#doubted = new Set([...this.#own.values(), ...this.#noted.values()]);
  }
}
