import { createHash } from 'node:crypto';
import { Transform, type Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { and, eq, inArray, lt, sql } from 'drizzle-orm';
import { contentKey } from '../../contracts/object-keys.ts';
import type { Context } from '../context.ts';
import { inTransaction } from '../database/database.ts';
import { deployments, objects } from '../database/schema.ts';
import { Failure } from '../failure.ts';

// Up to here an object is held in memory, so that the store may retry; a larger one streams through.
const MAX_HELD_BYTES = 1_048_576;
const BROKE_OFF = 'The upload broke off.';

export type Upload = { projectId: string; hash: string; size: number; body: Readable };

/** Stores the bytes of a content hash that a deployment asked for. Nothing is stored unless they are the right ones. */
export async function uploadObject(context: Context, upload: Upload): Promise<'stored' | 'known'> {
  const { projectId, hash, size, body } = upload;
  const known = await findObject(context, projectId, hash);
  if (known === undefined) {
    throw new Failure('NOT_FOUND', 'No deployment asked for this object: begin one whose manifest names it.');
  }
  if (known.state === 'stored') {
    body.resume();
    return 'known';
  }
  if (known.size !== size) {
    throw new Failure(
      'CONTENT_MISMATCH',
      `The manifest says ${known.size} bytes, Content-Length says ${size}.`,
    );
  }
  await putVerified(context, upload);
  await markStored(context, upload);
  await touchDeployments(context, projectId);
  return 'stored';
}

export async function findObject(
  { db }: Pick<Context, 'db'>,
  projectId: string,
  hash: string,
): Promise<{ size: number; state: 'missing' | 'stored' } | undefined> {
  const [row] = await db
    .select({ size: objects.size, state: objects.state })
    .from(objects)
    .where(and(eq(objects.projectId, projectId), eq(objects.hash, hash)));
  return row;
}

async function putVerified({ store }: Context, { projectId, hash, size, body }: Upload): Promise<void> {
  // Gone while the database was asked: its events are over, nobody would hear of it.
  if (body.destroyed && !body.readableEnded) throw new Failure('BAD_REQUEST', BROKE_OFF);
  const key = contentKey(projectId, hash);
  const verifier = holdBackUnlessVerified(hash, size);
  body.once('error', () => verifier.fail(BROKE_OFF));
  body.once('close', () => {
    if (!body.readableEnded) verifier.fail(BROKE_OFF);
  });
  // Whoever reads it hears of its errors; until then one must not end the process.
  verifier.stream.on('error', () => undefined);
  const verified = body.pipe(verifier.stream);
  try {
    await store.put(key, size <= MAX_HELD_BYTES ? await buffer(verified) : verified, { size });
  } catch (error) {
    // A store says only that the body failed; why is known here.
    throw verifier.problem() ?? error;
  }
}

type Verifier = { stream: Transform; fail(why: string): void; problem(): Failure | undefined };

/**
 * Passes bytes on but holds the last of them back until the hash is known to be right: a store takes an object only
 * when it is complete, so wrong bytes never become one.
 */
function holdBackUnlessVerified(hash: string, size: number): Verifier {
  const digest = createHash('sha256');
  let held: Buffer = Buffer.alloc(0);
  let received = 0;
  let problem: Failure | undefined;
  const mismatch = (why: string): Failure => (problem ??= new Failure('CONTENT_MISMATCH', why));
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      received += chunk.length;
      if (received > size) {
        done(mismatch(`More than the announced ${size} bytes arrived.`));
        return;
      }
      digest.update(chunk);
      const ready = held;
      held = chunk;
      done(null, ready.length === 0 ? undefined : ready);
    },
    flush(done) {
      const actual = digest.digest('hex');
      if (actual === hash && received === size) done(null, held);
      else done(mismatch(`The bytes have the hash ${actual}, not ${hash}.`));
    },
  });
  const fail = (why: string): void => {
    problem ??= new Failure('BAD_REQUEST', why);
    stream.destroy(problem);
  };
  return { stream, fail, problem: () => problem };
}

/**
 * The object may have been collected while it was being written, if the deployment that asked for it was given up:
 * the collector holds the row while it deletes, so what is seen here under the same lock is certain.
 */
async function markStored({ db, store }: Context, { projectId, hash }: Upload): Promise<void> {
  const isThis = and(eq(objects.projectId, projectId), eq(objects.hash, hash));
  const isKept = await inTransaction(db, async (tx) => {
    const [row] = await tx.select({ hash: objects.hash }).from(objects).where(isThis).for('update');
    if (row === undefined || (await store.head(contentKey(projectId, hash))) === undefined) return false;
    await tx.update(objects).set({ state: 'stored' }).where(isThis);
    return true;
  });
  if (!isKept) throw new Failure('CONFLICT', 'The deployment was given up meanwhile; begin it again.');
}

/** Keeps the deployments under way from being given up; at most one write in half a minute. */
async function touchDeployments({ db }: Context, projectId: string): Promise<void> {
  await db
    .update(deployments)
    .set({ touchedAt: sql`now()` })
    .where(
      and(
        eq(deployments.projectId, projectId),
        inArray(deployments.status, ['pending', 'deploying']),
        lt(deployments.touchedAt, sql`now() - interval '30 seconds'`),
      ),
    );
}
