import { and, eq, inArray } from 'drizzle-orm';
import { ENCODINGS, type Encoding, type Manifest, type StaticResource } from '../../contracts/manifest.ts';
import { contentKey } from '../../contracts/object-keys.ts';
import { EdgeError } from '../../core/errors.ts';
import type { Context } from '../context.ts';
import { excluded, inTransaction, type Database } from '../database/database.ts';
import { encodedForms, objects } from '../database/schema.ts';
import { inBatches, mapConcurrently } from '../batches.ts';
import { isCompressible } from './compressible.ts';
import { encodeBytes, type EncodedBytes, MAX_ENCODED_BYTES, MIN_ENCODED_BYTES } from './encode.ts';
import { referToObjects } from './objects.ts';

// Each file is encoded on three threads of the pool's four.
const FILES_AT_ONCE = 3;
const PUTS_AT_ONCE = 16;
// Encoded together and noted in one transaction; also what is held in memory at once.
const BATCH_BYTES = 4 * 1024 * 1024;

type Forms = NonNullable<StaticResource['encodings']>;
type EncodedFile = { hash: string; forms: EncodedBytes[] };
type Owner = { projectId: string; deploymentId: string };

/**
 * The manifest with the encoded forms of its files. A file is encoded once for each project, whatever deployments it
 * is part of; forms are objects like any other, referred to by the deployment.
 */
export async function encodeObjects(context: Context, owner: Owner, manifest: Manifest): Promise<Manifest> {
  const wanted = worthEncoding(manifest);
  const known = await referToKnownForms(context.db, owner, [...wanted.keys()]);
  const unknown = [...wanted].filter(([hash]) => !known.has(hash));
  for (const batch of inBatches(unknown, BATCH_BYTES, ([, size]) => size)) {
    const files = await mapConcurrently(batch, FILES_AT_ONCE, ([hash]) =>
      readAndEncode(context, owner.projectId, hash),
    );
    await keepForms(context, owner, files);
    for (const file of files) known.set(file.hash, toForms(file));
  }
  return { ...manifest, resources: manifest.resources.map((resource) => withForms(resource, wanted, known)) };
}

function withForms(
  resource: Manifest['resources'][number],
  wanted: ReadonlyMap<string, number>,
  known: ReadonlyMap<string, Forms>,
): Manifest['resources'][number] {
  if (resource.kind !== 'static') return resource;
  const { encodings: _given, ...rest } = resource;
  const hash = resource.hash ?? '';
  const forms = wanted.has(hash) && isCompressible(resource.urlPath) ? known.get(hash) : undefined;
  return forms === undefined || Object.keys(forms).length === 0 ? rest : { ...rest, encodings: forms };
}

/** Sizes of the files that may get smaller, by hash. */
function worthEncoding({ resources }: Manifest): Map<string, number> {
  const wanted = new Map<string, number>();
  for (const resource of resources) {
    const { kind, hash, size = 0, urlPath } = resource;
    const isFitting = size >= MIN_ENCODED_BYTES && size <= MAX_ENCODED_BYTES;
    if (kind === 'static' && hash !== undefined && isFitting && isCompressible(urlPath))
      wanted.set(hash, size);
  }
  return wanted;
}

/** Forms made for earlier deployments, referred to by this one. Those that were collected meanwhile are unknown. */
async function referToKnownForms(
  db: Database,
  owner: Owner,
  hashes: readonly string[],
): Promise<Map<string, Forms>> {
  if (hashes.length === 0) return new Map();
  return await inTransaction(db, async (tx) => {
    const rows = await selectForms(tx, owner.projectId, hashes);
    const sizes = new Map(
      rows.flatMap((row) => (row.formHash === null ? [] : [[row.formHash, row.formSize ?? 0]])),
    );
    await referToObjects(tx, { ...owner, objects: sizes });
    const stored = await storedAmong(tx, owner.projectId, [...sizes.keys()]);
    const known = new Map<string, Forms>();
    const isGone = new Set<string>();
    for (const { hash, coding, formHash, formSize } of rows) {
      const forms = known.get(hash) ?? {};
      if (formHash !== null && !stored.has(formHash)) isGone.add(hash);
      else if (formHash !== null) forms[coding] = { hash: formHash, size: formSize ?? 0 };
      known.set(hash, forms);
    }
    for (const hash of isGone) known.delete(hash);
    return known;
  });
}

async function selectForms(
  db: Database,
  projectId: string,
  hashes: readonly string[],
): Promise<{ hash: string; coding: Encoding; formHash: string | null; formSize: number | null }[]> {
  return await db
    .select({
      hash: encodedForms.hash,
      coding: encodedForms.coding,
      formHash: encodedForms.formHash,
      formSize: encodedForms.formSize,
    })
    .from(encodedForms)
    .where(and(eq(encodedForms.projectId, projectId), inArray(encodedForms.hash, [...hashes])));
}

async function storedAmong(db: Database, projectId: string, hashes: readonly string[]): Promise<Set<string>> {
  if (hashes.length === 0) return new Set();
  const isThere = and(
    eq(objects.projectId, projectId),
    eq(objects.state, 'stored'),
    inArray(objects.hash, [...hashes]),
  );
  const rows = await db.select({ hash: objects.hash }).from(objects).where(isThere);
  return new Set(rows.map(({ hash }) => hash));
}

async function readAndEncode({ store }: Context, projectId: string, hash: string): Promise<EncodedFile> {
  const bytes = await store.read(contentKey(projectId, hash), { maxBytes: MAX_ENCODED_BYTES });
  if (bytes === undefined)
    throw new EdgeError('OBJECT_MISSING', { detail: `the bucket has lost the object ${hash}` });
  return { hash, forms: await encodeBytes(bytes) };
}

/**
 * Writes the forms and notes them. Their rows are locked while the bytes are written: the collector, which holds the
 * row of what it deletes, comes either before or, finding them referred to, not at all.
 */
async function keepForms(context: Context, owner: Owner, files: readonly EncodedFile[]): Promise<void> {
  const { db, store, metrics } = context;
  const { projectId } = owner;
  const forms = new Map(files.flatMap((file) => file.forms.map((form) => [form.hash, form.bytes])));
  await inTransaction(db, async (tx) => {
    const sizes = new Map([...forms].map(([hash, bytes]) => [hash, bytes.length]));
    await referToObjects(tx, { ...owner, objects: sizes, state: 'stored' });
    await mapConcurrently([...forms], PUTS_AT_ONCE, async ([hash, bytes]) => {
      await store.put(contentKey(projectId, hash), bytes, { size: bytes.length });
    });
    const isThis = [encodedForms.projectId, encodedForms.hash, encodedForms.coding];
    const { formHash, formSize } = encodedForms;
    await tx
      .insert(encodedForms)
      .values(files.flatMap((file) => rowsOf(projectId, file)))
      .onConflictDoUpdate({
        target: isThis,
        set: { formHash: excluded(formHash), formSize: excluded(formSize) },
      });
  });
  for (const { coding, bytes } of files.flatMap((file) => file.forms))
    metrics.encodedBytes.inc({ coding }, bytes.length);
}

function rowsOf(projectId: string, { hash, forms }: EncodedFile): (typeof encodedForms.$inferInsert)[] {
  return ENCODINGS.map((coding) => {
    const form = forms.find((candidate) => candidate.coding === coding);
    return { projectId, hash, coding, formHash: form?.hash ?? null, formSize: form?.bytes.length ?? null };
  });
}

function toForms({ forms }: EncodedFile): Forms {
  return Object.fromEntries(forms.map((form) => [form.coding, { hash: form.hash, size: form.bytes.length }]));
}
