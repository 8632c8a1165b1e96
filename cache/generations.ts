/** How long an invalidation is remembered by name: longer than any load may take. */
const REMEMBER_MS = 60_000;
const MAX_REMEMBERED = 50_000;

/**
 * Tells whether something that began a while ago is still worth keeping: a fill that began before an invalidation
 * carries what the invalidation replaced.
 */
export class Generations {
  #now = 0;
  #allBefore = 0;
  readonly #byName = new Map<string, { generation: number; atMs: number }>();

  /** The present moment, to be asked about later. */
  begin(): number {
    return this.#now;
  }

  end(name: string, atMs: number): void {
    this.#now += 1;
    this.#byName.delete(name);
    this.#byName.set(name, { generation: this.#now, atMs });
    this.#forget(atMs);
  }

  endAll(): void {
    this.#now += 1;
    this.#allBefore = this.#now;
    this.#byName.clear();
  }

  isCurrent(name: string, began: number): boolean {
    return began >= this.#allBefore && began >= (this.#byName.get(name)?.generation ?? 0);
  }

  #forget(nowMs: number): void {
    for (const [name, { generation, atMs }] of this.#byName) {
      const isOld = nowMs - atMs > REMEMBER_MS;
      if (!isOld && this.#byName.size <= MAX_REMEMBERED) return;
      // Forgotten early, it must not look as if it had never been: everything that began before it is refused.
      if (!isOld) this.#allBefore = Math.max(this.#allBefore, generation);
      this.#byName.delete(name);
    }
  }
}
