import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { CodeIndex } from './code-index.ts';
import type { FunctionMetrics } from './function-metrics.ts';
import type { FunctionTarget } from './read-call.ts';

const CODE_FILE = 'function.js';
const HASH_FILE = 'sha256';

export type Code = { text: string; hash: string };

type Settings = { root: string; maxBytes: number; idleMs: number; maxCodeBytes: number };
type Parts = { store: ObjectStore; metrics: FunctionMetrics; log: Logger; clock: Clock };

/**
 * Functions' code: from disk, `{root}/{project}/{deployment}/{hash}/`, checked by its SHA-256, else from the store. The disk
 * is a cache that fails open: what cannot be read or written there costs a read from the store.
 */
export class CodeFiles {
  readonly #settings: Settings;
  readonly #parts: Parts;
  readonly #index: CodeIndex;
  readonly #reading = new Map<string, Promise<Code>>();
  readonly #keeping = new Set<Promise<void>>();

  constructor(settings: Settings, parts: Parts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#index = new CodeIndex({ ...settings, clock: parts.clock, log: parts.log });
  }

  /** Finds out what earlier runs left on the disk. */
  async open(): Promise<void> {
    await mkdir(this.#settings.root, { recursive: true });
    await this.#index.scan();
  }

  /** Notes that the deployment is in use, so that its files stay. */
  touch(projectId: string, deploymentId: string): void {
    this.#index.touchDeployment(join(projectId, deploymentId));
  }

  /** Resolves when everything that is being written to disk is there. */
  async settle(): Promise<void> {
    await Promise.all(this.#keeping);
  }

  /** Removes what was not used for a while. */
  async sweep(): Promise<void> {
    await this.#index.sweep();
  }

  /**
   * The code of the function; concurrent readers of one function share one read.
   *
   * @throws when the store has no such object or it is not the one that the hash names; EdgeError BUCKET_FAILED.
   */
  async read(target: FunctionTarget, hash: string | undefined): Promise<Code> {
    const directory = directoryOf(target, hash);
    const underWay = this.#reading.get(directory);
    if (underWay !== undefined) return underWay;
    const reading = this.#readOnce(target, hash, directory).finally(() => this.#reading.delete(directory));
    this.#reading.set(directory, reading);
    return reading;
  }

  async #readOnce(target: FunctionTarget, hash: string | undefined, directory: string): Promise<Code> {
    const kept = await this.#readDisk(directory, hash);
    if (kept !== undefined) {
      this.#parts.metrics.codeRead('disk');
      this.#index.touch(directory);
      return kept;
    }
    const bytes = await this.#readStore(target.functionKey);
    const actual = sha256(bytes);
    if (hash !== undefined && actual !== hash)
      throw new Error('the code in the store does not have its SHA-256');
    this.#parts.metrics.codeRead('store');
    // Not awaited: the call that needs the code need not wait for the disk.
    const keeping = this.#keep(directory, bytes, actual).finally(() => this.#keeping.delete(keeping));
    this.#keeping.add(keeping);
    return { text: bytes.toString('utf8'), hash: actual };
  }

  /** Undefined when it is not there, or not what was once written. */
  async #readDisk(directory: string, hash: string | undefined): Promise<Code | undefined> {
    const path = join(this.#settings.root, directory);
    try {
      const expected = hash ?? (await readFile(join(path, HASH_FILE), 'utf8'));
      const bytes = await readFile(join(path, CODE_FILE));
      if (sha256(bytes) === expected) return { text: bytes.toString('utf8'), hash: expected };
      this.#parts.log.warn({ directory }, 'a copy of a function on disk was damaged; it is read anew');
      await this.#index.remove(directory);
    } catch (error) {
      if (!isAbsence(error))
        this.#parts.log.warn({ directory, error: messageOf(error) }, 'a copy cannot be read');
    }
    return undefined;
  }

  async #readStore(key: string): Promise<Buffer> {
    const bytes = await this.#parts.store.read(key, { maxBytes: this.#settings.maxCodeBytes });
    if (bytes === undefined) throw new Error('the store has no such function');
    return bytes;
  }

  /** Written beside its place and moved there: nobody reads a part of it. */
  async #keep(directory: string, bytes: Buffer, hash: string): Promise<void> {
    const { root } = this.#settings;
    const draft = join(root, `.draft-${randomUUID()}`);
    const path = join(root, directory);
    try {
      await mkdir(draft);
      await writeFile(join(draft, CODE_FILE), bytes);
      await writeFile(join(draft, HASH_FILE), hash);
      await mkdir(join(path, '..'), { recursive: true });
      await rm(path, { recursive: true, force: true });
      await rename(draft, path);
      await this.#index.add(directory, bytes.length + hash.length);
    } catch (error) {
      this.#parts.log.warn(
        { directory, error: messageOf(error) },
        'a copy of a function cannot be kept on disk',
      );
      await rm(draft, { recursive: true, force: true });
    }
  }
}

/** Without a hash the place is named after the key: the objects of a deployment never change. */
function directoryOf(
  { projectId, deploymentId, functionKey }: FunctionTarget,
  hash: string | undefined,
): string {
  return join(projectId, deploymentId, hash ?? `key-${sha256(functionKey)}`);
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

function isAbsence(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
