import type { CacheKey } from './family.ts';
import {
  decodePayload,
  encodeHead,
  encodePayload,
  HEADER_BYTES,
  type EntryHead,
  type EntryKind,
} from './entry.ts';

export type EntryTimes = { nowMs: number; freshForMs: number; loadMs: number };

export type EncodeOptions = {
  kind: Exclude<EntryKind, 'claim'>;
  /** Only for `value`. */
  value?: unknown;
  rev: number;
  times: EntryTimes;
  incarnation: string;
  compressAboveBytes: number;
};

export type Encoded = { kind: 'encoded'; entry: Buffer; stamp: string } | { kind: 'too-large' };

/** The stored form of a value, a negative entry or a tombstone. */
export function encodeEntry(key: CacheKey<unknown>, options: EncodeOptions): Encoded {
  const { family } = key;
  const body =
    options.kind === 'value'
      ? encodePayload(options.value, family.encoding, options.compressAboveBytes)
      : { payload: Buffer.alloc(0), rawBytes: 0, isCompressed: false };
  if (body.rawBytes > family.maxBytes) return { kind: 'too-large' };
  const nonce = newNonce();
  const head = encodeHead({
    kind: options.kind,
    encoding: family.encoding,
    isCompressed: body.isCompressed,
    schemaVersion: family.schemaVersion,
    rev: options.rev,
    writtenAtMs: options.times.nowMs,
    freshUntilMs: options.times.nowMs + options.times.freshForMs,
    loadMs: options.times.loadMs,
    incarnation: options.incarnation,
    nonce,
  });
  const entry = Buffer.allocUnsafe(HEADER_BYTES + body.payload.length);
  entry.write(head, 0, 'latin1');
  body.payload.copy(entry, HEADER_BYTES);
  return { kind: 'encoded', entry, stamp: options.incarnation + nonce };
}

/** The value in an entry; undefined when it is damaged or its schema no longer accepts it. */
export function decodeValue<Value>(key: CacheKey<Value>, head: EntryHead, bytes: Buffer): Value | undefined {
  if (head.encoding !== key.family.encoding) return undefined;
  const raw = decodePayload(head, bytes, key.family.maxBytes);
  return raw === undefined ? undefined : key.family.parse(raw);
}

/** Eight characters that no other write has, for all that matters here. */
function newNonce(): string {
  return Math.floor(Math.random() * 36 ** 8)
    .toString(36)
    .padStart(8, '0');
}
