/** What one upload may hold that its function has not asked for, and all uploads together. */
const MAX_EACH_BYTES = 1024 * 1024;
const MAX_ALL_BYTES = 32 * 1024 * 1024;

let heldByAll = 0;

/**
 * What is read of an upload beyond what its function takes: the end of a connection stands behind its last byte, so that a
 * client that leaves is noticed only once everything before has been read. Bounded for each upload and for the process.
 */
export class ReadAhead {
  #held = 0;

  /** Takes a chunk that nobody has asked for; false: no more may follow it. */
  take(bytes: number): boolean {
    this.#held += bytes;
    heldByAll += bytes;
    return this.#held < MAX_EACH_BYTES && heldByAll < MAX_ALL_BYTES;
  }

  /** Everything has been asked for, or is not wanted any more. */
  release(): void {
    heldByAll -= this.#held;
    this.#held = 0;
  }
}
