import { Readable } from 'node:stream';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { guardBody, type BodyGuard } from './guard-body.ts';
import type { ByteRange, ObjectBody, ObjectHead } from './object-store.ts';

type BodyOptions = Omit<BodyGuard, 'expectedBytes'> & { range?: ByteRange | undefined };

/** The answer of GetObject as an object; throws when it is not what was asked for. */
export function toObjectBody(answer: GetObjectCommandOutput, options: BodyOptions): ObjectBody {
  const { Body: source, ContentLength: expectedBytes } = answer;
  if (!(source instanceof Readable) || expectedBytes === undefined) {
    throw new Error('the answer has no body or no length');
  }
  const size = options.range === undefined ? expectedBytes : sizeFromRange(answer, options.range);
  if (size === undefined) {
    source.destroy();
    throw new Error('the answer holds another range than the one asked for');
  }
  const body = guardBody(source, { ...options, expectedBytes });
  return { ...toHead(size, answer.LastModified), body };
}

export function toHead(size: number | undefined, modified: Date | undefined): ObjectHead {
  if (size === undefined) throw new Error('the answer has no length');
  return { size, modifiedAtMs: modified?.getTime() ?? 0 };
}

/** The whole object's size, if the answer holds exactly the range that was asked for (RFC 9110 section 14.4). */
function sizeFromRange(answer: GetObjectCommandOutput, range: ByteRange): number | undefined {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.ContentRange ?? '');
  if (match === null) return undefined;
  const [start, end, size] = match.slice(1).map(Number) as [number, number, number];
  const isAsAsked =
    start === range.start &&
    end === Math.min(range.end, size - 1) &&
    answer.ContentLength === end - start + 1;
  return isAsAsked ? size : undefined;
}
