import type { BucketRight } from '../../contracts/diagnosis.ts';
import { messageOf } from '../../core/errors.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { within } from './within.ts';

const PREFIX = 'probes/';
// One key for all: a bucket that lets nobody delete keeps one probe and not many.
const KEY = `${PREFIX}doctor`;
const CONTENT: Buffer = Buffer.from(
  'Written, read, listed and deleted by the diagnosis of the control API.\n',
);

export type BucketProblem = { right: BucketRight; problem: string };

/** Tries every right that the control API needs, each by itself: what is refused does not hide what else is. */
export async function probeBucket(store: ObjectStore): Promise<BucketProblem[]> {
  const problems: BucketProblem[] = [];
  const attempt = async (right: BucketRight, work: () => Promise<string | undefined>): Promise<void> => {
    const problem = await within(work).catch(messageOf);
    if (problem !== undefined) problems.push({ right, problem });
  };
  await attempt('write', () => write(store));
  // Nothing to read, list or delete where nothing could be written.
  if (problems.length > 0) return problems;
  await attempt('read', () => read(store));
  await attempt('list', () => list(store));
  await attempt('delete', () => remove(store));
  return problems;
}

async function write(store: ObjectStore): Promise<undefined> {
  await store.put(KEY, CONTENT, { size: CONTENT.length });
}

async function read(store: ObjectStore): Promise<string | undefined> {
  const found = await store.read(KEY, { maxBytes: CONTENT.length });
  if (found === undefined) return 'an object that was just written is not there';
  return found.equals(CONTENT) ? undefined : 'an object that was just written has other bytes';
}

async function list(store: ObjectStore): Promise<string | undefined> {
  for await (const { key } of store.list(PREFIX)) if (key === KEY) return undefined;
  return 'an object that was just written is not listed';
}

async function remove(store: ObjectStore): Promise<string | undefined> {
  await store.delete([KEY]);
  return (await store.head(KEY)) === undefined ? undefined : `${KEY} is still there after its deletion`;
}
