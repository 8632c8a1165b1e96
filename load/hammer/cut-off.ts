import { sharedNowMs } from './oracle.ts';

/** Look-ups that began while it was cut off may answer this long after the cut's end. */
const AFTERMATH_MS = 1000;

/** Remembers which gateway was cut off from both the cache and the control API, and until when. */
export class CutOff {
  readonly #untilMs = new Map<number, number>();

  begin(gateway: number): void {
    this.#untilMs.set(gateway, Number.POSITIVE_INFINITY);
  }

  end(gateway: number): void {
    this.#untilMs.set(gateway, sharedNowMs() + AFTERMATH_MS);
  }

  /** Whether a request that began then may have met a gateway that could ask nobody. */
  covers(gateway: number, startedAtMs: number): boolean {
    return startedAtMs < (this.#untilMs.get(gateway) ?? 0);
  }
}
