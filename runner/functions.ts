import { createHash } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { CodeFiles } from './code-files.ts';
import type { Environments } from './environments.ts';
import type { FunctionMetrics } from './function-metrics.ts';
import type { FunctionPool } from './function-pool.ts';
import type { FunctionProcess } from './function-process.ts';
import type { FunctionTarget } from './read-call.ts';

/** A process is taken again when the first one ended between the end of loading and the call. */
const MAX_ROUNDS = 3;

type Parts = {
  pool: FunctionPool;
  codes: CodeFiles;
  environments: Environments;
  metrics: FunctionMetrics;
  clock: Clock;
};

/** Finds the process in which a function can be called, and loads the function where it is not loaded. */
export class Functions {
  readonly #parts: Parts;
  readonly #loading = new Map<string, Promise<FunctionProcess>>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * A process that has the function, with the call counted in it: the caller ends the call with `leave`.
   *
   * @throws when the function cannot be loaded; EdgeError RUNNER_OVERLOADED.
   */
  async enter(target: FunctionTarget): Promise<FunctionProcess> {
    const version = versionOf(target);
    for (let round = 1; ; round += 1) {
      const process = this.#findLoaded(target, version) ?? (await this.#loadShared(target, version));
      if (process.proof !== undefined) await process.proof;
      if (process.endReason === undefined || round === MAX_ROUNDS) {
        process.callCount += 1;
        return process;
      }
    }
  }

  /**
   * Gets the function ready without calling it: an isolate in the deployment's process where that costs no other
   * deployment its own, else the code on disk.
   *
   * @throws as `enter` does.
   */
  async prefetch(target: FunctionTarget): Promise<void> {
    const { pool, codes, environments } = this.#parts;
    if (pool.find(target) === undefined && !pool.hasRoom) {
      await read(target, { codes, environments });
      await codes.settle();
      return;
    }
    const process = await this.enter(target);
    try {
      await process.start(target.functionKey);
    } finally {
      this.leave(process);
    }
  }

  leave(process: FunctionProcess): void {
    process.callCount -= 1;
    process.lastUsedMs = this.#parts.clock.monotonicMs();
  }

  #findLoaded(target: FunctionTarget, version: string): FunctionProcess | undefined {
    const process = this.#parts.pool.find(target);
    return process?.hasLoaded(target.functionKey, version) === true ? process : undefined;
  }

  /** Calls that come while a function is being loaded wait for the same load. */
  async #loadShared(target: FunctionTarget, version: string): Promise<FunctionProcess> {
    const name = `${target.projectId}/${target.deploymentId}/${target.functionKey}/${version}`;
    const underWay = this.#loading.get(name);
    if (underWay !== undefined) return underWay;
    const loading = this.#load(target, version).finally(() => this.#loading.delete(name));
    this.#loading.set(name, loading);
    return loading;
  }

  async #load(target: FunctionTarget, version: string): Promise<FunctionProcess> {
    const { pool, codes, environments, metrics, clock } = this.#parts;
    const startedMs = clock.monotonicMs();
    const { variables, code } = await read(target, { codes, environments });
    const env = {
      ...variables,
      ORIGAN_FUNCTION_PATH: target.functionKey,
      ORIGAN_DEPLOYMENT_ID: target.deploymentId,
      ORIGAN_PROJECT_ID: target.projectId,
    };
    const process = pool.acquire({ projectId: target.projectId, deploymentId: target.deploymentId });
    // Counted as a call, so that nobody takes the process for idle meanwhile.
    process.callCount += 1;
    try {
      await process.ready;
      await process.load(target.functionKey, version, {
        id: isolateId(code.hash, env),
        code: code.text,
        env,
      });
    } finally {
      this.leave(process);
    }
    metrics.coldStart((clock.monotonicMs() - startedMs) / 1000);
    return process;
  }
}

type Sources = Pick<Parts, 'codes' | 'environments'>;

/** Code and environment, side by side where the call itself says which code. */
async function read(
  target: FunctionTarget,
  { codes, environments }: Sources,
): Promise<{ variables: Readonly<Record<string, string>>; code: { text: string; hash: string } }> {
  if (target.functionHash !== undefined || target.metadata === undefined) {
    const [environment, code] = await Promise.all([
      environments.get(target),
      codes.read(target, target.functionHash),
    ]);
    return { variables: environment.variables, code };
  }
  const environment = await environments.get(target);
  const code = await codes.read(target, environment.hashes.get(target.functionKey));
  return { variables: environment.variables, code };
}

/** What decides whether a loaded function is the one that is called: compared, never shown. */
function versionOf({ functionHash = '', metadata = '' }: FunctionTarget): string {
  return `${functionHash}\n${metadata}`;
}

/** Changes with the code and the environment; the same for metadata that was sealed anew without a change. */
function isolateId(hash: string, env: Readonly<Record<string, string>>): string {
  return createHash('sha256').update(hash).update(JSON.stringify(env)).digest('hex');
}
