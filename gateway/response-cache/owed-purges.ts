import { deploymentTag } from '../../cache/tags.ts';

/** A tag to be ended, and the deployment that what carries it belongs to. */
export type Owed = { projectId: string; deploymentId: string; tag: string };

/** Beyond this, a deployment's owed tags are one: all that it has stored. */
const MAX_OWED = 10_000;
const TOGETHER = 50;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 5000;

/**
 * Purges that the cache server must hear of, and did not when they were due. They are repeated until it has: what this
 * process knows to be out of date must not come back with the connection.
 */
export class OwedPurges {
  readonly #end: (projectId: string, tag: string) => Promise<boolean>;
  readonly #owed = new Map<string, Owed>();
  #attempt: Promise<boolean> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;

  /** @param end tells the cache server; answers whether it has taken it. */
  constructor(end: (projectId: string, tag: string) => Promise<boolean>) {
    this.#end = end;
  }

  get isEmpty(): boolean {
    return this.#owed.size === 0;
  }

  /** Ends the tag now, or as soon as the cache server takes it. */
  async end(purge: Owed): Promise<void> {
    if (await this.#end(purge.projectId, purge.tag)) return;
    if (this.#owed.size >= MAX_OWED) this.#gather();
    this.#owe(purge);
    this.#tryLater();
  }

  /** Whether nothing is owed, having tried once more if something was. */
  async settle(): Promise<boolean> {
    if (this.isEmpty) return true;
    this.#attempt ??= this.#tryAll().finally(() => {
      this.#attempt = undefined;
    });
    return this.#attempt;
  }

  #owe(purge: Owed): void {
    this.#owed.set(`${purge.projectId} ${purge.tag}`, purge);
  }

  #gather(): void {
    const all = [...this.#owed.values()];
    this.#owed.clear();
    for (const { projectId, deploymentId } of all) {
      this.#owe({ projectId, deploymentId, tag: deploymentTag(deploymentId) });
    }
  }

  async #tryAll(): Promise<boolean> {
    while (!this.isEmpty) {
      const some = [...this.#owed].slice(0, TOGETHER);
      const taken = await Promise.all(some.map(([, { projectId, tag }]) => this.#end(projectId, tag)));
      for (const [index, [name, purge]] of some.entries()) {
        if (taken[index] === true && this.#owed.get(name) === purge) this.#owed.delete(name);
      }
      if (taken.includes(false)) return false;
    }
    this.#retryMs = FIRST_RETRY_MS;
    return true;
  }

  /** Other gateways are behind until then, whether or not anybody asks this one. */
  #tryLater(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => void this.#retry(), this.#retryMs).unref();
  }

  async #retry(): Promise<void> {
    this.#timer = undefined;
    this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2);
    if (!(await this.settle())) this.#tryLater();
  }
}
