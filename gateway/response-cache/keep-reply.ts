import type { Readable } from 'node:stream';
import type { Clock } from '../../core/clock.ts';
import type { FunctionReply, HeaderList } from '../../runner-client/runner-client.ts';
import type { Upstream } from '../functions/upstream.ts';
import type { Exchanged } from './age.ts';
import type { Asked } from './asked.ts';
import { Capture } from './capture.ts';
import type { Flight, Flights } from './collapse.ts';
import { firstLineOf } from './header-fields.ts';
import type { HitForMiss } from './hit-for-miss.ts';
import { judge, type Judgement } from './judge.ts';
import { markersFor, type Snapshot } from './markers.ts';
import type { ResponseStore } from './response-store.ts';
import type { SharedCache } from './shared-cache.ts';
import { toStored, type StoredResponse } from './stored-response.ts';
import { variantKey } from './vary.ts';

export type AskParts = {
  upstream: Upstream;
  store: ResponseStore;
  shared: SharedCache;
  hitForMiss: HitForMiss;
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
};

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
export function keepReply(received: Received, headers: HeaderList): LiveReply {
  const { parts, asked, touched, flight, snapshot, reply, times } = received;
  const { status } = reply;
  const judgement = judge(asked, { status, headers, ...times });
  const { verdict } = judgement;
  if (verdict.kind === 'refuse' || snapshot === undefined) {
    // What it replaces must not come back once the function fails.
    if (touched !== undefined && status < 400) parts.store.remove(asked.address, touched);
    if (asked.part !== undefined && status === 200) parts.store.remove(asked.address, asked.part);
  }
  if (verdict.kind === 'refuse') {
    if (isLasting(judgement, status)) parts.hitForMiss.mark(asked.address.key, times.receivedAtMs);
    flight.land({ kind: 'unshareable' });
    return { kind: 'reply', status, headers, body: reply.body, isKept: false };
  }
  parts.hitForMiss.clear(asked.address.key);
  flight.announceShareable();
  const length = firstLineOf(headers, 'content-length');
  const capture = new Capture(reply.body, {
    maxBytes: parts.maxEntryBytes,
    expectedBytes: length === undefined ? undefined : Number(length),
    isWanted: () => flight.waiters > 0 || flight.isBackground,
    onWhole: (body) => storeWhole(received, judgement, verdict.headers, body),
  });
  return { kind: 'reply', status, headers, body: capture, isKept: snapshot !== undefined };
}

/** Stores the response, unless nobody can say what is purged: then it is for those who wait for it, and for nobody else. */
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
    variant: variantKey(judgement.varyNames, asked.selecting.headers, asked.profile),
    markers,
    ...times,
  });
  const shared = isKept ? parts.store.put(asked.address, stored, parts.clock.nowMs()) : undefined;
  flight.land({ kind: 'stored', stored, status: reply.status });
  await shared;
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
function isLasting({ verdict }: Judgement, status: number): boolean {
  if (verdict.kind === 'store' || status >= 500 || status === 304 || status === 206) return false;
  return !['unusual-request', 'request-no-store', 'authorization'].includes(verdict.why);
}

/** RFC 9110 section 6.6.1: what is stored has a Date. */
export function withDate(headers: [string, string][], receivedAtMs: number): [string, string][] {
  const hasDate = firstLineOf(headers, 'date') !== undefined;
  return hasDate ? headers : [...headers, ['Date', new Date(receivedAtMs).toUTCString()]];
}
