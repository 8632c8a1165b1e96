import type { Cache } from '../../cache/cache.ts';
import { keys } from '../../cache/keys.ts';
import type { Loaded } from '../../cache/lookup.ts';
import { deploymentMetadataSchema, type DeploymentMetadata } from '../../contracts/metadata.ts';
import { metadataKey } from '../../contracts/object-keys.ts';
import { EdgeError } from '../../core/errors.ts';
import { parseJson } from '../../core/parse-json.ts';
import type { ObjectStore } from '../../store/object-store.ts';

const MAX_METADATA_BYTES = 1024 * 1024;

/** What the gateway tells the runner about a deployment; undefined where the runner must read it itself. */
export type MetadataReader = (deploymentId: string) => Promise<string | undefined>;

/**
 * The deployment's metadata as the header carries it (base64url of its JSON), encoded once per near copy. It never
 * fails: without metadata the runner, which has its own way to the cache and the bucket, reads it.
 */
export function createMetadataReader(cache: Cache, store: ObjectStore): MetadataReader {
  const encoded = new WeakMap<DeploymentMetadata, string>();
  return async (deploymentId) => {
    const found = await cache.getWithFallback(keys.deploymentMetadata(deploymentId), (signal) =>
      loadMetadata(store, deploymentId, signal),
    );
    if (found.kind !== 'found') return undefined;
    const known = encoded.get(found.value);
    if (known !== undefined) return known;
    const text = Buffer.from(JSON.stringify(found.value)).toString('base64url');
    encoded.set(found.value, text);
    return text;
  };
}

async function loadMetadata(
  store: ObjectStore,
  deploymentId: string,
  signal: AbortSignal,
): Promise<Loaded<DeploymentMetadata>> {
  const bytes = await store.read(metadataKey(deploymentId), { maxBytes: MAX_METADATA_BYTES, signal });
  if (bytes === undefined) return { kind: 'absent' };
  const parsed = deploymentMetadataSchema.safeParse(parseJson(bytes.toString('utf8')));
  if (!parsed.success) throw new EdgeError('BUCKET_FAILED', { detail: 'metadata.json does not parse' });
  return { kind: 'found', value: parsed.data };
}
