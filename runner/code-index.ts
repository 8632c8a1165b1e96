import { readdir, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { isSafeId } from '../core/object-path.ts';

const COPY = /^(?:key-)?[0-9a-f]{64}$/;
const DRAFT = /^\.draft-[0-9a-f-]{36}$/;

type Settings = { root: string; maxBytes: number; idleMs: number; clock: Clock; log: Logger };
type Entry = { bytes: number; usedMs: number };

/** What lies on disk, how large it is and when it was last used. Only directories of the runner's own form are touched. */
export class CodeIndex {
  readonly #settings: Settings;
  /** By path below the root. */
  readonly #entries = new Map<string, Entry>();
  /** Last uses of deployments as a whole, by path below the root: one write for each call. */
  readonly #deployments = new Map<string, number>();
  #bytes = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** Takes up what an earlier run left; what it left half written is removed. */
  async scan(): Promise<void> {
    const { root } = this.#settings;
    for (const project of await namesIn(root)) {
      if (DRAFT.test(project)) await rm(join(root, project), { recursive: true, force: true });
      if (!isSafeId(project)) continue;
      for (const deployment of (await namesIn(join(root, project))).filter(isSafeId)) {
        const copies = (await namesIn(join(root, project, deployment))).filter((name) => COPY.test(name));
        for (const copy of copies) await this.#takeUp(join(project, deployment, copy));
      }
    }
  }

  /** Notes a new copy, and makes room for it. */
  async add(path: string, bytes: number): Promise<void> {
    this.#forget(path);
    this.#entries.set(path, { bytes, usedMs: this.#settings.clock.nowMs() });
    this.#bytes += bytes;
    await this.#shrink(path);
  }

  /** Notes a use of one copy. */
  touch(path: string): void {
    const entry = this.#entries.get(path);
    if (entry !== undefined) entry.usedMs = this.#settings.clock.nowMs();
  }

  /** Notes a use of a deployment: all of its copies count as used. */
  touchDeployment(path: string): void {
    this.#deployments.set(path, this.#settings.clock.nowMs());
  }

  async remove(path: string): Promise<void> {
    this.#forget(path);
    const { root, log } = this.#settings;
    try {
      await rm(join(root, path), { recursive: true, force: true });
      await removeIfEmpty(dirname(join(root, path)));
      await removeIfEmpty(dirname(dirname(join(root, path))));
    } catch (error) {
      log.warn({ path, error: messageOf(error) }, 'a copy of a function cannot be removed');
    }
  }

  /** Removes what was unused for too long. */
  async sweep(): Promise<void> {
    const before = this.#settings.clock.nowMs() - this.#settings.idleMs;
    for (const [path, usedMs] of this.#uses()) if (usedMs < before) await this.remove(path);
    for (const [path, usedMs] of this.#deployments) if (usedMs < before) this.#deployments.delete(path);
  }

  /** Removes the longest unused until the rest fits; never the newest. */
  async #shrink(newest: string): Promise<void> {
    if (this.#bytes <= this.#settings.maxBytes) return;
    const byAge = this.#uses().toSorted(([, a], [, b]) => a - b);
    for (const [path] of byAge) {
      if (this.#bytes <= this.#settings.maxBytes) return;
      if (path !== newest) await this.remove(path);
    }
  }

  /** Copies with their last use, their own or that of their deployment. */
  #uses(): [path: string, usedMs: number][] {
    return [...this.#entries].map(([path, { usedMs }]) => [
      path,
      Math.max(usedMs, this.#deployments.get(dirname(path)) ?? 0),
    ]);
  }

  async #takeUp(path: string): Promise<void> {
    const full = join(this.#settings.root, path);
    let bytes = 0;
    for (const name of await namesIn(full)) bytes += (await stat(join(full, name))).size;
    this.#entries.set(path, { bytes, usedMs: (await stat(full)).mtimeMs });
    this.#bytes += bytes;
  }

  #forget(path: string): void {
    this.#bytes -= this.#entries.get(path)?.bytes ?? 0;
    this.#entries.delete(path);
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch {
    // A file where a directory is expected, or nothing at all: nothing of ours.
    return [];
  }
}

async function removeIfEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch {
    // Not empty, or gone already.
  }
}
