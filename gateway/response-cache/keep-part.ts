import type { HeaderList } from '../../runner-client/runner-client.ts';
import { firstLineOf, withoutFields } from '../header-fields.ts';
import { Capture } from './capture.ts';
import type { Judgement } from './judge.ts';
import { judgeReply, markersOf, selectedBy, withDate, type LiveReply, type Received } from './keep-reply.ts';
import { combine, contentRangeOf, isSameRepresentation, isWhole } from './partial.ts';
import type { ContentRange, Piece } from './partial.ts';
import { toStored, type Markers, type StoredResponse } from './stored-response.ts';
import { mergedHeaders } from './validation.ts';
import { validatorsOf } from './validators.ts';

/** Fields of a 206 that are about its part, and not about the representation. */
const OF_THE_PART: ReadonlySet<string> = new Set(['content-range', 'content-length']);

/** A 206 that may be stored: which bytes it brings, its headers as those of the whole, and what the policy says of it. */
type Part = { range: ContentRange; headers: [string, string][]; judgement: Judgement };

/**
 * Passes a 206 on and stores it as an incomplete 200 (RFC 9111 section 3.3), together with what is stored of the same
 * representation (section 3.4). Undefined: it may not be stored.
 */
export function keepPart(received: Received, headers: HeaderList): LiveReply | undefined {
  const part = readPart(received, headers);
  if (part === undefined || received.snapshot === undefined) return undefined;
  return capturePart(received, headers, part, { isFiller: false });
}

/**
 * The same for a 206 that was asked for to complete what is stored: its bytes are for the store, not for the client.
 * Undefined: it does not complete it.
 */
export function completePart(
  received: Received,
  stored: StoredResponse,
  headers: HeaderList,
): LiveReply | undefined {
  const part = readPart(received, headers);
  if (part === undefined || received.snapshot === undefined) return undefined;
  const { etag } = validatorsOf(headers);
  const { totalBytes } = part.range;
  if (!isSameRepresentation(stored, { etag, totalBytes })) return undefined;
  received.flight.announceShareable(selectedBy(received.asked, part.judgement));
  return capturePart(received, headers, part, { isFiller: true });
}

function readPart(received: Received, fields: HeaderList): Part | undefined {
  const range = contentRangeOf(fields);
  const length = firstLineOf(fields, 'content-length');
  if (range === undefined) return undefined;
  if (length !== undefined && Number(length) !== sizeOf(range)) return undefined;
  const headers = withoutFields(fields, OF_THE_PART);
  const judgement = judgeReply(received, 200, headers);
  const { verdict } = judgement;
  return verdict.kind === 'store' ? { range, headers: verdict.headers, judgement } : undefined;
}

function capturePart(
  received: Received,
  headers: HeaderList,
  part: Part,
  { isFiller }: { isFiller: boolean },
): LiveReply {
  const { parts, reply, flight } = received;
  const length = firstLineOf(headers, 'content-length');
  const body = new Capture(reply.body, {
    maxBytes: parts.maxEntryBytes,
    expectedBytes: length === undefined ? undefined : Number(length),
    isWanted: () => flight.waiters > 0 || flight.isBackground,
    onWhole: (bytes) => storePart(received, part, bytes),
  });
  const selected = selectedBy(received.asked, part.judgement);
  return { kind: 'reply', status: 206, headers, body, isKept: true, isFiller, selected };
}

async function storePart(received: Received, part: Part, bytes: Buffer | undefined): Promise<void> {
  const { parts, asked, flight } = received;
  const stored = bytes?.length === sizeOf(part.range) ? await toStoredPart(received, part, bytes) : undefined;
  if (stored === undefined) {
    flight.land({ kind: 'unshareable' });
    return;
  }
  // As with a whole: it must not push out what came after a purge.
  const isOvertaken = await parts.store.isPurged(stored);
  if (!isOvertaken) await parts.store.put(asked.address, stored, parts.clock.nowMs());
  flight.land({ kind: 'stored', stored, status: 206 });
}

async function toStoredPart(
  received: Received,
  part: Part,
  body: Buffer,
): Promise<StoredResponse | undefined> {
  const { parts, asked } = received;
  const present = parts.store.inMemory(asked.address, asked.selecting) ?? asked.part;
  const { start, end, totalBytes } = part.range;
  const piece = { body, partial: { ranges: [{ start, end }], totalBytes } };
  if (present === undefined) return describe(received, part, piece);
  // Somebody else has got the whole meanwhile.
  if (present.partial === undefined) return undefined;
  return (await withPresent(received, part, { piece, present })) ?? describe(received, part, piece);
}

/** Both parts as one, with the headers of the later message over those of the earlier (RFC 9111 section 3.4). */
async function withPresent(
  received: Received,
  part: Part,
  { piece, present }: { piece: Piece; present: StoredResponse },
): Promise<StoredResponse | undefined> {
  const { parts, times } = received;
  const { etag } = validatorsOf(part.headers);
  if (!isSameRepresentation(present, { etag, totalBytes: piece.partial.totalBytes })) return undefined;
  const both = combine(
    { body: present.body, partial: present.partial ?? piece.partial },
    piece,
    parts.maxEntryBytes,
  );
  const merged = mergedHeaders(present, part.headers, times.receivedAtMs);
  const judgement = judgeReply(received, 200, merged);
  if (both === undefined || judgement.verdict.kind !== 'store') return undefined;
  const headers = judgement.verdict.headers;
  const stored = await describe(received, { ...part, headers, judgement }, both);
  const markers = stored === undefined ? undefined : combinedMarkers(present.markers, stored.markers);
  const isSameVariant = stored?.variant === present.variant;
  return stored === undefined || markers === undefined || !isSameVariant ? undefined : { ...stored, markers };
}

async function describe(
  { parts, asked, snapshot, times }: Received,
  { headers, judgement }: Part,
  { body, partial }: Piece,
): Promise<StoredResponse | undefined> {
  const markers = await markersOf(parts, snapshot, judgement);
  if (markers === undefined) return undefined;
  return toStored({
    status: 200,
    received: headers,
    headers: withDate(headers, times.receivedAtMs),
    body,
    partial: isWhole(partial) ? undefined : partial,
    policy: judgement.policy,
    freshness: judgement.freshness,
    ...selectedBy(asked, judgement),
    markers,
    ...times,
  });
}

/** Everything by which either part may be purged; undefined: the earlier one has been purged since. */
function combinedMarkers(earlier: Markers, later: Markers): Markers | undefined {
  const versions = new Map(later.tags.map((tag, index) => [tag, later.versions[index] ?? '']));
  for (const [index, tag] of earlier.tags.entries()) {
    const version = earlier.versions[index] ?? '';
    if ((versions.get(tag) ?? version) !== version) return undefined;
    versions.set(tag, version);
  }
  return { projectId: later.projectId, tags: [...versions.keys()], versions: [...versions.values()] };
}

function sizeOf({ start, end }: ContentRange): number {
  return end - start + 1;
}
