import type { Readable } from 'node:stream';
import type { Clock } from '../../core/clock.ts';
import type { FunctionReply, HeaderList } from '../../runner-client/runner-client.ts';
import type { Upstream } from '../functions/upstream.ts';
import { firstLineOf } from '../header-fields.ts';
import type { Exchanged } from './age.ts';
import { isShareable } from './cache-policy.ts';
import type { Asked } from './asked.ts';
import { Capture } from './capture.ts';
import type { Flight, Flights, Selected } from './collapse.ts';
import type { HitForMiss } from './hit-for-miss.ts';
import { judge, type Judgement } from './judge.ts';
import type { KnownVary } from './known-vary.ts';
import { markersFor, type Snapshot } from './markers.ts';
import { speaksToCaches } from './request-headers.ts';
import type { ResponseStore } from './response-store.ts';
import type { SharedCache } from './shared-cache.ts';
import { isOfMoment, isOfRequest } from './status-codes.ts';
import type { Refusal } from './storable.ts';
import { toStored, type StoredResponse } from './stored-response.ts';
import { fieldNames, isStrict, variantKey } from './vary.ts';
import { markPlain } from './way-of.ts';

export type AskParts = {
  upstream: Upstream;
  store: ResponseStore;
  shared: SharedCache;
  hitForMiss: HitForMiss;
  known: KnownVary;
  flights: Flights;
  clock: Clock;
  /** Larger bodies pass through and are not stored. */
  maxEntryBytes: number;
};

/** A function's reply on its way to the client; with `isKept`, the flight lands when it is complete. */
export type LiveReply = {
  kind: 'reply';
  status: number;
  headers: HeaderList;
  body: Readable;
  isKept: boolean;
  /** The body completes what is stored: it is for nobody but the store. */
  isFiller?: boolean;
  /** Who may have it, where it was asked for others than its client too. */
  selected?: Selected;
};

/** What was asked for everybody is not for everybody: its client has to be asked for alone. */
export type Refused = { kind: 'refused'; why: Refusal };

/** A reply and all that decides what becomes of it. */
export type Received = {
  parts: AskParts;
  asked: Asked;
  /** What was stored before: it may stand in for a failure. */
  before: StoredResponse | undefined;
  /** The same, unless this request is no reason to change or replace it. */
  touched: StoredResponse | undefined;
  flight: Flight;
  snapshot: Snapshot | undefined;
  reply: FunctionReply;
  times: Exchanged;
};

/** Passes a reply on, and stores it once it is complete if it may be stored. */
export function keepReply(received: Received, headers: HeaderList): LiveReply | Refused {
  const { parts, asked, flight, snapshot, reply, times } = received;
  const { status, body } = reply;
  const judgement = judgeReply(received, status, headers);
  const verdict = isTooLarge(received, headers) ? TOO_LARGE : judgement.verdict;
  if (verdict.kind === 'refuse' || snapshot === undefined) forgetReplaced(received);
  if (verdict.kind === 'refuse') {
    if (asked.reach.kind === 'plain') return refuse(received, verdict.why);
    if (isLasting(verdict.why, status)) parts.hitForMiss.mark(asked.address.key, times.receivedAtMs);
    flight.land({ kind: 'unshareable' });
    return { kind: 'reply', status, headers, body, isKept: false };
  }
  parts.hitForMiss.clear(asked.address.key);
  if (asked.reach.kind === 'personal' && speaksToCaches(asked.exchange.headers)) {
    // The function heard what was not meant for it, and what it made of that is nobody else's.
    flight.land({ kind: 'again' });
    return { kind: 'reply', status, headers, body, isKept: false };
  }
  return capture(received, judgement, { headers, kept: verdict.headers });
}

const TOO_LARGE: { kind: 'refuse'; why: Refusal } = { kind: 'refuse', why: 'too-large' };

/** What says beforehand that it is too large to be stored need not be asked for on behalf of others. */
function isTooLarge({ parts, asked }: Received, headers: HeaderList): boolean {
  return asked.reach.kind === 'plain' && Number(firstLineOf(headers, 'content-length')) > parts.maxEntryBytes;
}

/**
 * What it replaces must not come back, once the function fails or while it is refreshed: a full response says that what is stored is
 * not suitable (RFC 9111 section 4.3.3), a page that is gone now as well as a new one.
 */
function forgetReplaced({ parts, asked, before, touched, reply: { status } }: Received): void {
  const isOwn = before !== undefined && asked.reach.kind === 'plain' && isStrict(before);
  const replaced = isOwn ? before : touched;
  if (replaced !== undefined && !isOfMoment(status)) parts.store.remove(asked.address, replaced);
  if (asked.part !== undefined && status === 200) parts.store.remove(asked.address, asked.part);
}

/** A response that was asked for everybody, and is not for everybody. */
export function refuse({ parts, asked, flight, reply }: Received, why: Refusal): Refused {
  reply.body.destroy();
  if (reply.status < 500) markPlain(parts, asked);
  flight.land({ kind: 'unshareable' });
  return { kind: 'refused', why };
}

function capture(
  received: Received,
  judgement: Judgement,
  { headers, kept }: { headers: HeaderList; kept: [string, string][] },
): LiveReply {
  const { parts, asked, flight, snapshot, reply } = received;
  const selected = selectedBy(asked, judgement);
  flight.announceShareable(selected);
  const length = firstLineOf(headers, 'content-length');
  const body = new Capture(reply.body, {
    maxBytes: parts.maxEntryBytes,
    expectedBytes: length === undefined ? undefined : Number(length),
    isWanted: () => flight.waiters > 0 || flight.isBackground,
    onWhole: (whole) => storeWhole(received, judgement, kept, whole),
  });
  return { kind: 'reply', status: reply.status, headers, body, isKept: snapshot !== undefined, selected };
}

/**
 * What the policy says of a reply, or of a stored response with its headers. What may be stored tells which headers count: from
 * then on the function can be asked for everybody.
 */
export function judgeReply(
  { parts: { known }, asked, times }: Received,
  status: number,
  headers: HeaderList,
): Judgement {
  const judgement = judge(asked, { status, headers, ...times });
  // Of a conditional or a part the client had the whole in mind, and so would others.
  const isOfWhole = asked.reach.kind !== 'personal' || (status !== 206 && status !== 304);
  const { verdict, varyNames, policy } = isOfWhole
    ? judgement
    : judge(asked, { status: 200, headers, ...times });
  if (asked.reach.kind !== 'trusting' && verdict.kind === 'store') {
    const isForAuthorized = isShareable(policy.directives);
    known.learn(asked.address.key, { names: fieldNames(varyNames), isForAuthorized });
  }
  return judgement;
}

export function selectedBy({ selecting }: Asked, { varyNames }: Judgement): Selected {
  return { varyNames, variant: variantKey(varyNames, selecting) };
}

/**
 * Stores the response, unless nobody can say what is purged: then it is for those who wait for it, and for nobody else.
 * What was purged while it was asked for is no use to anyone later, and would push out what came after the purge.
 */
async function storeWhole(
  { parts, asked, flight, snapshot, reply, times }: Received,
  judgement: Judgement,
  headers: [string, string][],
  body: Buffer | undefined,
): Promise<void> {
  if (body === undefined) {
    flight.land({ kind: 'unshareable' });
    return;
  }
  const isKept = snapshot !== undefined;
  const markers = isKept ? await markersOf(parts, snapshot, judgement) : unmarked(asked);
  if (markers === undefined) {
    flight.land({ kind: 'purged' });
    return;
  }
  const stored = toStored({
    status: reply.status,
    received: headers,
    headers: withDate(headers, times.receivedAtMs),
    body,
    policy: judgement.policy,
    freshness: judgement.freshness,
    ...selectedBy(asked, judgement),
    markers,
    ...times,
  });
  const isOvertaken = isKept && (await parts.store.isPurged(stored));
  // Whoever waits for it gets it when every gateway can serve it, as its own client does.
  if (isKept && !isOvertaken) await parts.store.put(asked.address, stored, parts.clock.nowMs());
  flight.land({ kind: 'stored', stored, status: reply.status });
}

function unmarked({ projectId }: Asked): StoredResponse['markers'] {
  return { projectId, tags: [], versions: [] };
}

export async function markersOf(
  { shared }: AskParts,
  snapshot: Snapshot | undefined,
  { tags }: Judgement,
): Promise<StoredResponse['markers'] | undefined> {
  return snapshot === undefined ? undefined : markersFor(shared, snapshot, tags);
}

/** Whether the next response at the address is likely to be for one client alone, too. */
function isLasting(why: Refusal, status: number): boolean {
  if (status >= 500 || isOfRequest(status)) return false;
  return why !== 'request-no-store' && why !== 'authorization';
}

/** RFC 9110 section 6.6.1: what is stored has a Date. */
export function withDate(headers: [string, string][], receivedAtMs: number): [string, string][] {
  const hasDate = firstLineOf(headers, 'date') !== undefined;
  return hasDate ? headers : [...headers, ['Date', new Date(receivedAtMs).toUTCString()]];
}
