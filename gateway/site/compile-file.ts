import { isFingerprinted } from '../../contracts/fingerprint.ts';
import { ENCODINGS, type Encoding, type StaticResource } from '../../contracts/manifest.ts';
import { resourceKey } from '../../contracts/object-keys.ts';
import type { SiteRecord } from '../../contracts/site.ts';
import { contentTypeOf, isCompressible } from '../static/content-type.ts';

/** A static file with all that a request for it needs, worked out once per deployment. */
export type CompiledFile = {
  resource: StaticResource;
  /** Key of the object in the bucket. */
  objectKey: string;
  /** Key in the memory cache: the content hash, or deployment and path where the manifest has none. */
  contentId: string;
  contentType: string;
  /** Whether the URL always shows these bytes. */
  isImmutable: boolean;
  encoded: EncodedForms;
};

/** Where the encoded forms of a file come from. */
export type EncodedForms =
  /** Made at deploy. */
  | { kind: 'stored'; forms: ReadonlyMap<Encoding, StoredForm> }
  /** A manifest that says nothing about encodings: the edge makes them at first use, if the file is worth it. */
  | { kind: 'made-here' }
  | { kind: 'none' };

export type StoredForm = { objectKey: string; hash: string; size: number };

/** Smaller files cost more headers than encoding saves. */
export const MIN_ENCODED_BYTES = 1024;

const NONE: EncodedForms = { kind: 'none' };
const MADE_HERE: EncodedForms = { kind: 'made-here' };

export function compileFile(record: SiteRecord, resource: StaticResource): CompiledFile {
  const contentType = contentTypeOf(resource.urlPath);
  return {
    resource,
    objectKey: resourceKey(record, resource) ?? '',
    contentId: resource.hash ?? `${record.deploymentId}/${resource.resourcePath}`,
    contentType,
    isImmutable: isImmutable(resource),
    encoded: encodedForms(record, resource, contentType),
  };
}

/** RFC 8246. A page is never immutable, whatever its name: links to it must show the next build. */
function isImmutable({ urlPath, fingerprinted }: StaticResource): boolean {
  return !urlPath.endsWith('.html') && (fingerprinted ?? isFingerprinted(urlPath));
}

function encodedForms(record: SiteRecord, resource: StaticResource, contentType: string): EncodedForms {
  // Without the hash of the identity an encoded form could not be tied to it by a validator.
  if (resource.encodings !== undefined && resource.hash !== undefined) {
    const forms = storedForms(record, resource);
    return forms.size === 0 ? NONE : { kind: 'stored', forms };
  }
  const isTooSmall = resource.size !== undefined && resource.size < MIN_ENCODED_BYTES;
  return isTooSmall || !isCompressible(contentType) ? NONE : MADE_HERE;
}

function storedForms(record: SiteRecord, resource: StaticResource): ReadonlyMap<Encoding, StoredForm> {
  const forms = new Map<Encoding, StoredForm>();
  for (const encoding of ENCODINGS) {
    const form = resource.encodings?.[encoding];
    const objectKey = resourceKey(record, resource, encoding);
    if (form !== undefined && objectKey !== undefined) forms.set(encoding, { objectKey, ...form });
  }
  return forms;
}
