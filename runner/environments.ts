import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { Cache } from '../cache/cache.ts';
import { keys } from '../cache/keys.ts';
import type { Loaded } from '../cache/lookup.ts';
import { deploymentMetadataSchema, type DeploymentMetadata } from '../contracts/metadata.ts';
import { metadataKey } from '../contracts/object-keys.ts';
import { openEnvironment } from '../contracts/sealed-environment.ts';
import type { ObjectStore } from '../store/object-store.ts';
import type { FunctionMetrics } from './function-metrics.ts';
import type { FunctionTarget } from './read-call.ts';

const MAX_METADATA_BYTES = 4 * 1024 * 1024;
const MAX_REMEMBERED = 1000;

const variablesSchema = z.record(z.string(), z.string());

/** What a deployment's functions run with. */
export type DeploymentEnvironment = {
  variables: Readonly<Record<string, string>>;
  /** SHA-256 of the code by full key, where the metadata has it. */
  hashes: ReadonlyMap<string, string>;
};

type Parts = { cache: Cache; store: ObjectStore; key: Buffer | undefined; metrics: FunctionMetrics };

/**
 * Environments of deployments, parsed and opened once each: from the call's own header, or else from the shared cache,
 * or else from `metadata.json` in the store. The cache fails open, the store does not.
 */
export class Environments {
  readonly #parts: Parts;
  readonly #remembered = new LRUCache<
    string,
    { source: string | undefined; environment: DeploymentEnvironment }
  >({
    max: MAX_REMEMBERED,
  });

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @throws when there is no metadata, or when it cannot be opened or is not this deployment's. */
  async get(target: FunctionTarget): Promise<DeploymentEnvironment> {
    const name = `${target.projectId}/${target.deploymentId}`;
    const known = this.#remembered.get(name);
    if (known !== undefined && known.source === target.metadata) return known.environment;
    const environment = this.#open(await this.#read(target), target);
    this.#remembered.set(name, { source: target.metadata, environment });
    return environment;
  }

  async #read(target: FunctionTarget): Promise<DeploymentMetadata> {
    if (target.metadata !== undefined) {
      this.#parts.metrics.environmentRead('header');
      return parseMetadata(Buffer.from(target.metadata, 'base64url').toString('utf8'));
    }
    this.#parts.metrics.environmentRead('reference');
    const { deploymentId } = target;
    const found = await this.#parts.cache.getWithFallback(keys.deploymentMetadata(deploymentId), (signal) =>
      this.#load(deploymentId, signal),
    );
    if (found.kind === 'found') return found.value;
    if (found.kind === 'absent') throw new Error('the deployment has no metadata');
    throw found.cause;
  }

  async #load(deploymentId: string, signal: AbortSignal): Promise<Loaded<DeploymentMetadata>> {
    const options = { maxBytes: MAX_METADATA_BYTES, signal };
    const bytes = await this.#parts.store.read(metadataKey(deploymentId), options);
    // Not "absent", which would be remembered: a deployment that is called has metadata, or will have in a moment.
    if (bytes === undefined) throw new Error('the deployment has no metadata');
    return { kind: 'found', value: parseMetadata(bytes.toString('utf8')) };
  }

  #open(metadata: DeploymentMetadata, target: FunctionTarget): DeploymentEnvironment {
    if (metadata.deploymentId !== target.deploymentId || metadata.projectId !== target.projectId) {
      throw new Error('the metadata is that of another deployment');
    }
    const hashes = Object.values(metadata.functions ?? {}).map(({ key, hash }) => [key, hash] as const);
    return { variables: this.#variables(metadata), hashes: new Map(hashes) };
  }

  #variables(metadata: DeploymentMetadata): Record<string, string> {
    if (metadata.sealedEnvironment === undefined) return metadata.environmentVariables ?? {};
    if (this.#parts.key === undefined) {
      throw new Error('the environment is sealed and ENVIRONMENT_KEY is not set');
    }
    return variablesSchema.parse(
      openEnvironment(metadata.sealedEnvironment, metadata.deploymentId, this.#parts.key),
    );
  }
}

function parseMetadata(text: string): DeploymentMetadata {
  return deploymentMetadataSchema.parse(JSON.parse(text));
}
