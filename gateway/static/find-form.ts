import { ENCODINGS } from '../../contracts/manifest.ts';
import { EdgeError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { MIN_ENCODED_BYTES } from '../site/compile-file.ts';
import type { CompiledFile } from '../site/compile-site.ts';
import type { Content, ContentCache, LoadedContent } from './content-cache.ts';
import { madeId, type Encoder } from './encode-contents.ts';
import type { Coding } from './negotiate.ts';

/** A form of a file, found: its bytes, or where they are streamed from. */
export type Form = {
  coding: Coding;
  /** Hash of the identity bytes: what the entity tag is made of. Unknown for large files of old manifests. */
  hash: string | undefined;
  lastModifiedMs: number | undefined;
  size: number;
  source:
    | { kind: 'memory'; contentId: string; body: Buffer; wasHit: boolean }
    | { kind: 'bucket'; objectKey: string };
};

export type FormFinder = {
  /** The best of the codings that the file has. Undefined: it has none of them. */
  find(file: CompiledFile, codings: readonly Coding[]): Promise<Form | undefined>;
  /** Whether the file will never have that form. */
  lacks(file: CompiledFile, coding: Coding): boolean;
  /** Whether requests for the file may be answered with different codings. */
  varies(file: CompiledFile, size: number): boolean;
};

export type FormFinderParts = {
  contents: ContentCache;
  encoder: Encoder;
  store: ObjectStore;
  log: Logger;
  /** Larger files stream from the bucket and do not pass through memory. */
  maxEntryBytes: number;
};

export function createFormFinder(parts: FormFinderParts): FormFinder {
  return {
    find: (file, codings) => firstForm(parts, file, codings),
    lacks: ({ encoded, contentId }, coding) => {
      if (coding === 'identity') return false;
      if (encoded.kind === 'stored') return !encoded.forms.has(coding);
      if (encoded.kind === 'none') return true;
      // A manifest without sizes: that a file is too small to encode shows only once it is in memory.
      const size = parts.contents.get(contentId)?.body.length ?? MIN_ENCODED_BYTES;
      return size < MIN_ENCODED_BYTES || parts.encoder.isNotWorthIt(contentId, coding);
    },
    varies: ({ encoded }, size) => {
      if (encoded.kind !== 'made-here') return encoded.kind === 'stored';
      return size >= MIN_ENCODED_BYTES && size <= parts.maxEntryBytes;
    },
  };
}

/** A form that cannot be had just now gives way to the next one that the client accepts. */
async function firstForm(
  parts: FormFinderParts,
  file: CompiledFile,
  codings: readonly Coding[],
): Promise<Form | undefined> {
  let failure: unknown;
  for (const coding of codings) {
    try {
      const form = await (coding === 'identity'
        ? identityForm(parts, file)
        : encodedForm(parts, file, coding));
      if (form !== undefined) return form;
    } catch (error) {
      failure ??= error;
      parts.log.warn(
        { coding, path: file.resource.urlPath, error: messageOf(error) },
        'a form cannot be had',
      );
    }
  }
  if (failure !== undefined) throw failure;
  return undefined;
}

async function encodedForm(
  parts: FormFinderParts,
  file: CompiledFile,
  coding: Exclude<Coding, 'identity'>,
): Promise<Form | undefined> {
  if (file.encoded.kind === 'made-here') return madeForm(parts, file, coding);
  const form = file.encoded.kind === 'stored' ? file.encoded.forms.get(coding) : undefined;
  if (form === undefined) return undefined;
  const { hash } = file.resource;
  if (form.size > parts.maxEntryBytes) {
    const source = { kind: 'bucket' as const, objectKey: form.objectKey };
    return { coding, hash, lastModifiedMs: undefined, size: form.size, source };
  }
  const filled = await fill(parts, { contentId: form.hash, hash: form.hash, objectKey: form.objectKey });
  return { ...inMemory(filled, form.hash, coding), hash, lastModifiedMs: undefined };
}

/** Only from memory: encoding is never on a request's way. */
function madeForm(
  { contents }: FormFinderParts,
  { contentId }: CompiledFile,
  coding: Exclude<Coding, 'identity'>,
): Form | undefined {
  const id = madeId(contentId, coding);
  const content = contents.get(id);
  return content === undefined ? undefined : inMemory({ content, wasHit: true }, id, coding);
}

async function identityForm(parts: FormFinderParts, file: CompiledFile): Promise<Form> {
  const { contentId, objectKey, resource } = file;
  const known = parts.contents.get(contentId);
  if (known !== undefined) return requestEncodings(parts, file, { content: known, wasHit: true });
  const head = resource.size === undefined ? await parts.store.head(objectKey) : undefined;
  const size = resource.size ?? head?.size;
  if (size === undefined) throw missing(objectKey);
  // The date of an object that several deployments may share says nothing about this file's.
  const lastModifiedMs =
    head === undefined || resource.hash !== undefined
      ? undefined
      : Math.floor(head.modifiedAtMs / 1000) * 1000;
  if (size > parts.maxEntryBytes) {
    const source = { kind: 'bucket' as const, objectKey };
    return { coding: 'identity', hash: resource.hash, lastModifiedMs, size, source };
  }
  const wanted = { contentId, hash: resource.hash, objectKey, lastModifiedMs };
  return requestEncodings(parts, file, await fill(parts, wanted));
}

function requestEncodings(parts: FormFinderParts, file: CompiledFile, found: Found): Form {
  const { contentId, encoded: forms } = file;
  if (forms.kind === 'made-here' && found.content.body.length >= MIN_ENCODED_BYTES) {
    for (const encoding of ENCODINGS) {
      if (parts.contents.get(madeId(contentId, encoding)) === undefined) {
        parts.encoder.request(contentId, found.content, encoding);
      }
    }
  }
  return inMemory(found, contentId, 'identity');
}

type Found = { content: Content; wasHit: boolean };
type Wanted = {
  contentId: string;
  hash: string | undefined;
  objectKey: string;
  lastModifiedMs?: number | undefined;
};

async function fill(
  { contents, store, maxEntryBytes }: FormFinderParts,
  { contentId, hash, objectKey, lastModifiedMs }: Wanted,
): Promise<Found> {
  const known = contents.get(contentId);
  if (known !== undefined) return { content: known, wasHit: true };
  const load = async (): Promise<LoadedContent | undefined> => {
    const body = await store.read(objectKey, { maxBytes: maxEntryBytes });
    return body === undefined ? undefined : { body, lastModifiedMs };
  };
  const content = await contents.fill(contentId, hash, load);
  if (content === undefined) throw missing(objectKey);
  return { content, wasHit: false };
}

function inMemory({ content, wasHit }: Found, contentId: string, coding: Coding): Form {
  const { body, hash, lastModifiedMs } = content;
  return {
    coding,
    hash,
    lastModifiedMs,
    size: body.length,
    source: { kind: 'memory', contentId, body, wasHit },
  };
}

export function missing(objectKey: string): EdgeError {
  return new EdgeError('OBJECT_MISSING', {
    detail: `the bucket lacks ${objectKey}, which the manifest names`,
  });
}
