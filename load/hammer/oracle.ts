/** One answer of a gateway. Times are milliseconds of the machine's monotonic clock, the same in every process. */
export type Observation = {
  gateway: number;
  host: number;
  /** Revision answered; -1 for "no such site", -2 for a failure. */
  rev: number;
  startedAtMs: number;
  /** Marked as served without anyone having been asked. */
  isLastKnownGood: boolean;
  /** Why there is no revision, where the answer was a failure. */
  problem: string | undefined;
};

export type Violation = Observation & {
  floor: number;
  /** What was being done to the system when the answer came. */
  during: string;
};

type Acknowledged = { atMs: number; rev: number };

/**
 * Knows every flip that was acknowledged and judges every answer: one that was asked for after a flip was acknowledged
 * must show that flip or a later one. Only a marked answer of a gateway that was cut off from the cache and the control API
 * may be older.
 */
export class Oracle {
  observations = 0;
  marked = 0;
  markedOlder = 0;
  /** Those of them that no wire was cut for: the gateway heard neither of the cache nor of the control API in time. */
  lateOlder = 0;
  /** What went wrong, of each failure. */
  readonly failures: string[] = [];
  absences = 0;
  flips = 0;
  /** What is being done to the system. */
  during = '';
  readonly violations: Violation[] = [];
  readonly #mayBeOlder: (gateway: number, startedAtMs: number) => boolean;
  readonly #acknowledged = new Map<number, Acknowledged[]>();

  constructor(mayBeOlder: (gateway: number, startedAtMs: number) => boolean) {
    this.#mayBeOlder = mayBeOlder;
  }

  acknowledge(host: number, rev: number, atMs: number): void {
    const list = this.#acknowledged.get(host) ?? [];
    list.push({ atMs, rev });
    this.#acknowledged.set(host, list);
    this.flips += 1;
  }

  judge(observation: Observation): void {
    this.observations += 1;
    if (observation.isLastKnownGood) this.marked += 1;
    if (observation.problem !== undefined) this.failures.push(`${this.during}: ${observation.problem}`);
    if (observation.rev === -1) this.absences += 1;
    const floor = this.#floor(observation.host, observation.startedAtMs);
    if (observation.rev === -2 || observation.rev >= floor) return;
    const isExcepted =
      observation.isLastKnownGood && this.#mayBeOlder(observation.gateway, observation.startedAtMs);
    if (isExcepted) this.markedOlder += 1;
    else this.violations.push({ ...observation, floor, during: this.during });
  }

  /** A gateway turned out to have been cut off in between: its marked answers of that time are excepted. */
  except(gateway: number, fromMs: number, toMs: number): void {
    const isExcepted = (violation: Violation): boolean =>
      violation.gateway === gateway &&
      violation.isLastKnownGood &&
      violation.startedAtMs >= fromMs &&
      violation.startedAtMs <= toMs;
    const left = this.violations.filter((violation) => !isExcepted(violation));
    const excepted = this.violations.length - left.length;
    this.markedOlder += excepted;
    this.lateOlder += excepted;
    this.violations.splice(0, this.violations.length, ...left);
  }

  /** The highest revision acknowledged before a moment. */
  #floor(host: number, atMs: number): number {
    const list = this.#acknowledged.get(host) ?? [];
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((list[middle]?.atMs ?? 0) < atMs) low = middle + 1;
      else high = middle;
    }
    return list[low - 1]?.rev ?? 0;
  }
}

/** The machine's monotonic clock, comparable between processes. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
