import { and, isNotNull } from 'drizzle-orm';
import { messageOf } from '../../core/errors.ts';
import type { Closable } from '../../core/lifecycle.ts';
import type { Context } from '../context.ts';
import { certificates } from '../database/schema.ts';
import { attend } from './attend.ts';
import { createAuthority, type Authority } from './authority.ts';
import type { AcmeSettings } from './config.ts';
import { CertificateFailure, Overtaken } from './failure.ts';
import type { CertificateMetrics } from './metrics.ts';
import { endOrphans } from './orphans.ts';
import {
  claim,
  countStates,
  createAttempt,
  endLeases,
  enrol,
  hasten,
  validityOf,
  type Attempt,
} from './rows.ts';
import { isLate, retryAtMs } from './when.ts';

/** Orders and renews, in the background. Several control APIs share the work: a host is attended to by one at a time. */
export class CertificateKeeper implements Closable {
  readonly authority: Authority;
  readonly settings: AcmeSettings;
  readonly #context: Context;
  readonly #metrics: CertificateMetrics;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #looking: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #isWoken = false;

  constructor(context: Context, settings: AcmeSettings, metrics: CertificateMetrics) {
    this.#context = context;
    this.settings = settings;
    this.#metrics = metrics;
    this.authority = createAuthority(context, settings, this.#closing.signal);
  }

  async open(): Promise<void> {
    if (this.#context.database.kind === 'pglite') await endLeases(this.#context);
    this.wake();
  }

  /** Looks at once: a domain was added or removed. A host that only waits for its DNS is tried again. */
  wake(host?: string): void {
    if (host === undefined) {
      this.#run();
      return;
    }
    hasten(this.#context, host)
      .catch((error: unknown) => this.#warn(error))
      .finally(() => this.#run());
  }

  /** Ends what is under way; another control API, or the next start, goes on with it at once. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#timer);
    await this.#looking;
    await Promise.all(this.#running);
    await this.authority.close();
  }

  /** One look at a time; woken meanwhile, it looks again. */
  #run(): void {
    this.#isWoken = true;
    if (this.#isLooking) return;
    clearTimeout(this.#timer);
    this.#isLooking = true;
    this.#looking = this.#lookWhileWoken();
  }

  async #lookWhileWoken(): Promise<void> {
    const { signal } = this.#closing;
    while (this.#isWoken && !signal.aborted) {
      this.#isWoken = false;
      await this.#look();
    }
    this.#isLooking = false;
    if (signal.aborted) return;
    // Spread, so that several control APIs do not all look at once.
    const pauseMs = this.settings.lookEveryMs * (0.9 + Math.random() * 0.2);
    this.#timer = setTimeout(() => this.#run(), pauseMs).unref();
  }

  async #look(): Promise<void> {
    try {
      await endOrphans(this.#context);
      await enrol(this.#context);
      for (const row of await claim(this.#context, this.settings.maxAtOnce)) {
        const attempt = createAttempt(this.#context, row);
        const running = this.#attend(attempt).finally(() => {
          this.#running.delete(running);
          // Somebody may be waiting for the place.
          this.wake();
        });
        this.#running.add(running);
      }
      await this.#measure();
    } catch (error) {
      this.#warn(error);
    }
  }

  async #attend(attempt: Attempt): Promise<void> {
    const { log } = this.#context;
    const { host } = attempt;
    try {
      const parts = {
        context: this.#context,
        settings: this.settings,
        authority: this.authority,
        signal: this.#closing.signal,
      };
      const outcome = await attend(parts, attempt);
      if (outcome === 'kept') return;
      this.#metrics.ordered(outcome);
      const notAfter = attempt.row().notAfter?.toISOString();
      log.info({ host, outcome, notAfter }, 'certificate in place');
    } catch (error) {
      await this.#fail(attempt, error).catch((failure: unknown) => this.#warn(failure));
    }
  }

  async #fail(attempt: Attempt, error: unknown): Promise<void> {
    if (error instanceof Overtaken) return;
    if (this.#closing.signal.aborted) {
      await attempt.end({});
      return;
    }
    const failure =
      error instanceof CertificateFailure
        ? error
        : new CertificateFailure('internal', 'Something failed inside the control API; its log says more.', {
            cause: error,
          });
    const failures = attempt.row().failureKind === failure.kind ? attempt.row().failures + 1 : 1;
    const { clock, log } = this.#context;
    const nextMs = retryAtMs(failure, failures, clock.nowMs(), Math.random());
    await attempt.end({
      state: 'failed',
      failures,
      failureKind: failure.kind,
      failure: failure.message,
      nextAttemptAt: new Date(nextMs),
    });
    this.#metrics.ordered(failure.kind);
    const cause = failure.kind === 'internal' ? { cause: messageOf(failure.cause) } : {};
    const line = { host: attempt.host, kind: failure.kind, reason: failure.message, ...cause };
    const detail = { ...line, failures, nextAttempt: new Date(nextMs).toISOString() };
    // Whose DNS is not there yet is no concern of the operator's.
    log[failure.kind === 'domain' ? 'info' : 'warn'](detail, 'no certificate this time');
  }

  async #measure(): Promise<void> {
    const { db, clock } = this.#context;
    const counts = await countStates(this.#context);
    const served = await db
      .select({ notBefore: certificates.notBefore, notAfter: certificates.notAfter })
      .from(certificates)
      .where(and(isNotNull(certificates.notBefore), isNotNull(certificates.installed)));
    let late = 0;
    let firstEndMs: number | undefined;
    for (const row of served) {
      const validity = validityOf(row);
      if (validity === undefined) continue;
      firstEndMs = Math.min(firstEndMs ?? Number.POSITIVE_INFINITY, validity.notAfterMs);
      if (isLate(validity, this.settings.renewalMargin, clock.nowMs())) late += 1;
    }
    this.#metrics.set({ counts, late, firstEndMs });
  }

  #warn(error: unknown): void {
    if (this.#closing.signal.aborted) return;
    const cause = error instanceof Error ? error.cause : undefined;
    const detail = { error: messageOf(error), ...(cause === undefined ? {} : { cause: messageOf(cause) }) };
    this.#context.log.warn(detail, 'certificates could not be looked after; the next look tries again');
  }
}
