import type { Encoding, Manifest, Resource } from './manifest.ts';

/** Keys of the bucket. Ids and paths must have passed `isSafeId` and `whyUnsafePath` before they come here. */

/** Key of `metadata.json`. */
export function metadataKey(deploymentId: string): string {
  return `deployments/${deploymentId}/metadata.json`;
}

/** Key of `manifest.json`. */
export function manifestKey(deploymentId: string): string {
  return `deployments/${deploymentId}/manifest.json`;
}

/** Key of an object stored by the SHA-256 of its bytes, shared by the deployments of one project. */
export function contentKey(projectId: string, hash: string): string {
  return `projects/${projectId}/objects/${hash}`;
}

type Owner = { deploymentId: string; projectId: string; config: Pick<Manifest, 'objects'> };

/** Key of a resource's bytes, or of one of its encoded forms; undefined where the manifest has no such form. */
export function resourceKey(owner: Owner, resource: Resource, encoding?: Encoding): string | undefined {
  if (encoding !== undefined) {
    const form = resource.kind === 'static' ? resource.encodings?.[encoding] : undefined;
    return form === undefined ? undefined : contentKey(owner.projectId, form.hash);
  }
  if (owner.config.objects === 'by-hash' && resource.hash !== undefined) {
    return contentKey(owner.projectId, resource.hash);
  }
  return `deployments/${owner.deploymentId}/${resource.resourcePath}`;
}
