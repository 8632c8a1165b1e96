import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';

/**
 * The stored form of a value: a header of fixed width in ASCII, then the payload. The width is fixed so that the
 * server's scripts compare revisions and claims by position (`GETRANGE`) without decoding anything, and so that a
 * near copy is confirmed by reading the header alone.
 *
 *     0  "o1"            format           46 written at, wall clock ms (13)
 *     2  v s n t c       kind             59 fresh until, wall clock ms (13)
 *     3  j b J B         encoding         72 time it took to load, ms (6)
 *     4  schema version (4)               78 incarnation of the server (8)
 *     8  revision (16)                    86 nonce of the write (8)
 *     24 claim: token (9), until (13)     94 payload
 */
export const HEADER_BYTES = 94;
export const REV_AT = 8;
export const CLAIM_AT = 24;
export const TOKEN_LENGTH = 9;
export const WRITTEN_AT = 46;
export const FRESH_UNTIL_AT = 59;
export const LOAD_MS_AT = 72;
export const STAMP_AT = 78;
export const NONCE_AT = 86;
export const NO_CLAIM: string = '-'.repeat(TOKEN_LENGTH) + '0'.repeat(13);
/** Stands for "no idea which server process": what is read under it is not believed, whatever its stamp. */
export const UNKNOWN_INCARNATION = '????????';
const NEVER_MS = 9_999_999_999_999;

/** value; negative entry; tombstone of a purge; claim: nothing stored yet, somebody is loading it. */
export type EntryKind = 'value' | 'negative' | 'tombstone' | 'claim';

export type EntryHead = {
  kind: EntryKind;
  encoding: 'json' | 'binary';
  isCompressed: boolean;
  schemaVersion: number;
  rev: number;
  /** A value that is stale, whatever its lifetime says. */
  isSoftPurged: boolean;
  /** Undefined when nobody has claimed the next load. */
  claim: { token: string; untilMs: number } | undefined;
  writtenAtMs: number;
  /** Infinity when it never ends. */
  freshUntilMs: number;
  loadMs: number;
  incarnation: string;
  /** Same stamp, same stored write: what a near copy compares to know that it is still current. */
  stamp: string;
};

export type EntryFacts = {
  kind: EntryKind;
  encoding?: 'json' | 'binary';
  isCompressed?: boolean;
  schemaVersion: number;
  rev: number;
  claim?: { token: string; untilMs: number } | undefined;
  writtenAtMs: number;
  freshUntilMs: number;
  loadMs: number;
  incarnation: string;
  nonce: string;
};

const KIND_LETTERS = { value: 'v', negative: 'n', tombstone: 't', claim: 'c' } as const;
const LETTER_KINDS: Readonly<Record<string, EntryKind>> = {
  v: 'value',
  s: 'value',
  n: 'negative',
  t: 'tombstone',
  c: 'claim',
};

export function encodeHead(facts: EntryFacts): string {
  const letter = facts.encoding === 'binary' ? 'b' : 'j';
  return (
    `o1${KIND_LETTERS[facts.kind]}${facts.isCompressed === true ? letter.toUpperCase() : letter}` +
    digits(facts.schemaVersion, 4) +
    digits(facts.rev, 16) +
    encodeClaim(facts.claim) +
    digits(facts.writtenAtMs, 13) +
    digits(Math.min(facts.freshUntilMs, NEVER_MS), 13) +
    digits(Math.min(facts.loadMs, 999_999), 6) +
    facts.incarnation +
    facts.nonce
  );
}

/** The part of the header that says who loads and until when: 22 characters. */
export function encodeClaim(claim: { token: string; untilMs: number } | undefined): string {
  return claim === undefined ? NO_CLAIM : claim.token + digits(claim.untilMs, 13);
}

/** Reads a header; undefined when the bytes are no entry of this format. */
export function decodeHead(bytes: Buffer): EntryHead | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const text = bytes.toString('latin1', 0, HEADER_BYTES);
  const kind = LETTER_KINDS[text.charAt(2)];
  if (kind === undefined || !text.startsWith('o1')) return undefined;
  const letter = text.charAt(3);
  const schemaVersion = Number(text.slice(4, 8));
  const rev = Number(text.slice(REV_AT, CLAIM_AT));
  const writtenAtMs = Number(text.slice(WRITTEN_AT, FRESH_UNTIL_AT));
  const freshUntilMs = Number(text.slice(FRESH_UNTIL_AT, LOAD_MS_AT));
  const loadMs = Number(text.slice(LOAD_MS_AT, STAMP_AT));
  // A damaged header must not become an age or a revision that is no number.
  if (Number.isNaN(schemaVersion + rev + writtenAtMs + freshUntilMs + loadMs)) return undefined;
  return {
    kind,
    encoding: letter === 'b' || letter === 'B' ? 'binary' : 'json',
    isCompressed: letter === 'J' || letter === 'B',
    schemaVersion,
    rev,
    isSoftPurged: text.charAt(2) === 's',
    claim: text.charAt(CLAIM_AT) === '-' ? undefined : decodeClaim(text),
    writtenAtMs,
    freshUntilMs: freshUntilMs === NEVER_MS ? Number.POSITIVE_INFINITY : freshUntilMs,
    loadMs,
    incarnation: text.slice(STAMP_AT, NONCE_AT),
    stamp: text.slice(STAMP_AT),
  };
}

/** Payload of a value: JSON or the bytes themselves, compressed above a size when that saves something. */
export function encodePayload(
  value: unknown,
  encoding: 'json' | 'binary',
  compressAboveBytes: number,
): { payload: Buffer; rawBytes: number; isCompressed: boolean } {
  const raw = encoding === 'binary' ? (value as Buffer) : Buffer.from(JSON.stringify(value));
  const plain = { payload: raw, rawBytes: raw.length, isCompressed: false };
  // Stored responses come encoded already (br, gzip): compressing them again only costs time.
  if (encoding === 'binary' || raw.length <= compressAboveBytes) return plain;
  const packed = zstdCompressSync(raw);
  return packed.length < raw.length * 0.9
    ? { payload: packed, rawBytes: raw.length, isCompressed: true }
    : plain;
}

/** The value's parsed JSON or bytes; undefined when the payload is damaged or would unpack beyond `maxBytes`. */
export function decodePayload(head: EntryHead, bytes: Buffer, maxBytes: number): unknown {
  const stored = bytes.subarray(HEADER_BYTES);
  try {
    const raw = head.isCompressed ? zstdDecompressSync(stored, { maxOutputLength: maxBytes }) : stored;
    return head.encoding === 'binary' ? raw : JSON.parse(raw.toString('utf8'));
  } catch {
    // Cut off, damaged or not ours: the caller counts it and removes the entry.
    return undefined;
  }
}

function decodeClaim(text: string): { token: string; untilMs: number } {
  const tokenEnd = CLAIM_AT + TOKEN_LENGTH;
  return { token: text.slice(CLAIM_AT, tokenEnd), untilMs: Number(text.slice(tokenEnd, tokenEnd + 13)) };
}

function digits(value: number, width: number): string {
  const text = String(Math.max(0, Math.trunc(value)));
  if (!Number.isFinite(value)) throw new RangeError(`${value} is no number to store`);
  if (text.length > width) throw new RangeError(`${value} needs more than ${width} digits`);
  return text.padStart(width, '0');
}
