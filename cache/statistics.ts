/** Counts of one family. Plain numbers: the hot path adds to them, the metrics endpoint reads them when asked. */
export type FamilyCounts = {
  nearHits: number;
  sharedHits: number;
  nearNegativeHits: number;
  sharedNegativeHits: number;
  misses: number;
  errors: number;
  staleServed: number;
  lastKnownGoodServed: number;
  loads: number;
  loadFailures: number;
  loadsRefusedByRate: number;
  claimWaits: number;
  earlyRefreshes: number;
  fillsStored: number;
  refusedOlder: number;
  refusedLate: number;
  refusedTooLarge: number;
  refusedExpired: number;
  writes: number;
  writeFailures: number;
  unparsable: number;
  nearEvictions: number;
  bytesRead: number;
  bytesWritten: number;
};

const ZERO: Readonly<FamilyCounts> = {
  nearHits: 0,
  sharedHits: 0,
  nearNegativeHits: 0,
  sharedNegativeHits: 0,
  misses: 0,
  errors: 0,
  staleServed: 0,
  lastKnownGoodServed: 0,
  loads: 0,
  loadFailures: 0,
  loadsRefusedByRate: 0,
  claimWaits: 0,
  earlyRefreshes: 0,
  fillsStored: 0,
  refusedOlder: 0,
  refusedLate: 0,
  refusedTooLarge: 0,
  refusedExpired: 0,
  writes: 0,
  writeFailures: 0,
  unparsable: 0,
  nearEvictions: 0,
  bytesRead: 0,
  bytesWritten: 0,
};

/** Everything that the cache counts about itself. */
export class Statistics {
  readonly families: Map<string, FamilyCounts> = new Map<string, FamilyCounts>();
  /** By command and kind, `get timeout`. */
  readonly commandFailures: Map<string, number> = new Map();
  readonly busEvents: { epoch: number; gap: number; lost: number } = { epoch: 0, gap: 0, lost: 0 };
  unacknowledgedInvalidations = 0;

  family(name: string): FamilyCounts {
    let counts = this.families.get(name);
    if (counts === undefined) {
      counts = { ...ZERO };
      this.families.set(name, counts);
    }
    return counts;
  }

  /** Set by whoever measures durations, in milliseconds. */
  onCommand: (command: string, durationMs: number) => void = () => undefined;
  onAcknowledged: (durationMs: number) => void = () => undefined;

  finished(command: string, durationMs: number): void {
    this.onCommand(command, durationMs);
  }

  failed(command: string, kind: string): void {
    const name = `${command} ${kind}`;
    this.commandFailures.set(name, (this.commandFailures.get(name) ?? 0) + 1);
  }
}
