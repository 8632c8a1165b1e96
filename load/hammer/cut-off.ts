import { sharedNowMs } from './oracle.ts';

/** Remembers which gateway was cut off from both the cache and the control API, and until when. */
export class CutOff {
  readonly #untilMs = new Map<number, number>();

  begin(gateway: number): void {
    this.#untilMs.set(gateway, Number.POSITIVE_INFINITY);
  }

  end(gateway: number): void {
    this.#untilMs.set(gateway, sharedNowMs());
  }

  /** Whether a request that began then, and is answered now, met a gateway that could ask nobody. */
  covers(gateway: number, startedAtMs: number): boolean {
    return startedAtMs < (this.#untilMs.get(gateway) ?? 0);
  }
}
