import { deploymentTag } from '../../cache/tags.ts';
import { withoutIgnored } from '../../cache/url-tag.ts';
import { toEdgeError, type EdgeError, type ErrorCode } from '../../core/errors.ts';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import { forwardInformational } from '../functions/informational.ts';
import { withHeaders, type UpstreamCall } from '../functions/upstream.ts';
import { isAlone, isForWhole, type Asked } from './asked.ts';
import type { Flight } from './collapse.ts';
import { endToEnd } from './end-to-end.ts';
import { urlTagOf } from './judge.ts';
import { completePart, keepPart } from './keep-part.ts';
import { judgeReply, keepReply, markersOf, refuse, selectedBy } from './keep-reply.ts';
import type { AskParts, LiveReply, Received, Refused } from './keep-reply.ts';
import { takeSnapshot } from './markers.ts';
import { gapOf } from './partial.ts';
import { plainHeaders } from './plain-call.ts';
import { withoutConditions, withoutOverrides } from './request-headers.ts';
import type { Found } from './response-store.ts';
import { isUsableOnError, type Failure } from './reuse.ts';
import { landHead } from './share-head.ts';
import { isErrorStatus } from './status-codes.ts';
import type { Refusal } from './storable.ts';
import type { StoredResponse } from './stored-response.ts';
import { conditionsFor, describesSame, freshened, isAbout, mergedHeaders } from './validation.ts';
import { isStrict } from './vary.ts';

/** What came of asking the function. */
export type Asking =
  | LiveReply
  | Refused
  /** The stored response holds on. */
  | { kind: 'validated'; stored: StoredResponse; isStored: boolean }
  /** The function failed, and the stored response may stand in for it. */
  | { kind: 'stale'; stored: StoredResponse; status: number | undefined };

// What the function, or the way to it, does wrong; everything else is the request's fault and no reason to serve stale.
const FAILURES: ReadonlySet<ErrorCode> = new Set([
  'RUNNER_UNREACHABLE',
  'RUNNER_BROKE_OFF',
  'RUNNER_TIMEOUT',
  'RUNNER_OVERLOADED',
]);

/** Whether a call got no answer. */
export function isUnreachable(error: EdgeError): boolean {
  return FAILURES.has(error.code);
}

/**
 * Calls the function on behalf of a request: with the conditions of what is stored, if anything is. Stores what may be stored,
 * and lands the flight for those who wait.
 */
export async function askFunction(
  parts: AskParts,
  asked: Asked,
  found: Found | undefined,
  flight: Flight,
): Promise<Asking> {
  const before = found?.stored;
  try {
    const present = before ?? asked.part;
    const known = present?.markers.tags ?? [deploymentTag(asked.address.deploymentId)];
    const snapshot = await takeSnapshot(parts.shared, asked.projectId, { url: urlTagOf(asked), known });
    const requestedAtMs = parts.clock.nowMs();
    const touched = mayTouch(asked, before) ? before : undefined;
    const call = await callFor(parts, asked, touched);
    const onInformational = flight.isBackground ? undefined : forwardInformational(asked.exchange);
    const reply = await parts.upstream.fetch(call, { signal: flight.signal, onInformational });
    const times = { requestedAtMs, receivedAtMs: parts.clock.nowMs() };
    return await receive({ parts, asked, before, touched, flight, snapshot, reply, times });
  } catch (thrown) {
    const error = toEdgeError(thrown);
    // What is wrong with this one request alone is nobody else's failure.
    flight.land(isUnreachable(error) ? { kind: 'failed', error } : { kind: 'unshareable' });
    if (before !== undefined && isUnreachable(error) && maySave(parts, asked, before, 'unreachable')) {
      return { kind: 'stale', stored: before, status: undefined };
    }
    throw error;
  }
}

/** Whether what comes back may change or replace what is stored. */
function mayTouch(asked: Asked, stored: StoredResponse | undefined): boolean {
  const { reach } = asked;
  switch (reach.kind) {
    case 'trusting':
      return !isAlone(asked, stored);
    case 'personal':
      return false;
    case 'plain':
      // What was made for one client is not for others, whatever validator it has.
      return stored !== undefined && !isStrict(stored);
    default:
      return reach satisfies never;
  }
}

/** Whether the stored response may be served in place of a failure. */
export function maySave(parts: AskParts, asked: Asked, stored: StoredResponse, failure: Failure): boolean {
  const nowMs = parts.clock.nowMs();
  return isUsableOnError(stored, asked.directives, { nowMs, failure, profile: asked.profile });
}

async function callFor(
  parts: AskParts,
  asked: Asked,
  stored: StoredResponse | undefined,
): Promise<UpstreamCall> {
  const { exchange, site, resource, ignored } = asked;
  const prepared = await parts.upstream.prepare(exchange, site, resource);
  const target = exchange.target.rawPath + withoutIgnored(exchange.target.search, ignored);
  const headers = asked.reach.kind === 'plain' ? plainHeaders(asked) : withoutOverrides(prepared.headers);
  const call = { ...prepared, target, headers };
  const lacking = rangeToComplete(parts, asked);
  if (stored === undefined && lacking !== undefined) return withHeaders(call, lacking);
  if (stored === undefined || exchange.method === 'HEAD') return call;
  return withHeaders({ ...call, headers: withoutConditions(call.headers) }, conditionsFor(stored));
}

/** How to ask for what lacks of an incomplete stored response, or for the whole if it has changed since. */
function rangeToComplete({ maxEntryBytes }: AskParts, asked: Asked): Record<string, string> | undefined {
  const { part } = asked;
  if (part?.etag === undefined || part.partial === undefined || !isForWhole(asked)) return undefined;
  const gap = gapOf(part);
  const { totalBytes } = part.partial;
  if (gap === undefined || totalBytes > maxEntryBytes) return undefined;
  const end = gap.end === totalBytes - 1 ? '' : gap.end;
  return { range: `bytes=${gap.start}-${end}`, 'if-range': part.etag };
}

async function receive(received: Received): Promise<Asking> {
  const { parts, asked, before, touched, flight, reply } = received;
  const headers = endToEnd(reply);
  if (before !== undefined && isErrorStatus(reply.status) && maySave(parts, asked, before, 'error-status')) {
    reply.body.destroy();
    flight.land({ kind: 'erred', status: reply.status });
    return { kind: 'stale', stored: before, status: reply.status };
  }
  if (asked.exchange.method === 'HEAD') return described(received, headers);
  if (touched !== undefined && reply.status === 304) return validated(received, touched, headers);
  if (before === undefined && rangeToComplete(parts, asked) !== undefined) {
    return completed(received, headers);
  }
  const isPart = reply.status === 206 && asked.reach.kind !== 'personal';
  const kept = isPart ? keepPart(received, headers) : undefined;
  return kept ?? keepReply(received, headers);
}

async function described(received: Received, headers: HeaderList): Promise<Asking> {
  const { asked, flight, reply } = received;
  const { status, body } = reply;
  const judgement = judgeReply(received, status, headers);
  await learnFromHead(received, headers);
  if (judgement.verdict.kind === 'refuse' && asked.reach.kind === 'plain') {
    return refuse(received, judgement.verdict.why);
  }
  const selected = selectedBy(asked, judgement);
  flight.land(await landHead(received, judgement));
  return { kind: 'reply', status, headers, body, isKept: false, selected };
}

/** The reply to a request for what lacks: that, or all of something else. */
async function completed(received: Received, headers: HeaderList): Promise<Asking> {
  const { parts, asked, flight, reply } = received;
  const { part } = asked;
  if (reply.status === 206 && part !== undefined) {
    const completing = completePart(received, part, headers);
    if (completing !== undefined) return completing;
  }
  if (![206, 304, 416].includes(reply.status)) return keepReply(received, headers);
  // No answer to a client that asked for the whole: it is asked for.
  reply.body.destroy();
  if (part !== undefined) parts.store.remove(asked.address, part);
  return askFunction(parts, { ...asked, part: undefined }, undefined, flight);
}

/** RFC 9111 section 4.3.4. */
async function validated(received: Received, before: StoredResponse, headers: HeaderList): Promise<Asking> {
  const { parts, asked, flight, reply, times } = received;
  reply.body.resume();
  if (!isAbout(before, headers)) {
    // The function speaks of something that is not stored: ask again, for the whole.
    parts.store.remove(asked.address, before);
    return askFunction(parts, asked, undefined, flight);
  }
  const merged = mergedHeaders(before, headers, times.receivedAtMs);
  const { why, ...after } = await freshen(received, before, merged, headers);
  const isOvertaken = after.isStored && (await parts.store.isPurged(after.stored));
  if (isOvertaken) {
    flight.land({ kind: 'purged' });
    return { kind: 'validated', stored: after.stored, isStored: false };
  }
  if (after.isStored) await parts.store.put(asked.address, after.stored, parts.clock.nowMs());
  else parts.store.remove(asked.address, before);
  if (why !== undefined && asked.reach.kind === 'plain') return refuse(received, why);
  flight.land(
    after.isStored ? { kind: 'stored', stored: after.stored, status: 304 } : { kind: 'unshareable' },
  );
  return { kind: 'validated', ...after };
}

/** The stored response with the headers of a message about it, and whether it may still be kept. */
async function freshen(
  received: Received,
  before: StoredResponse,
  merged: [string, string][],
  headers: HeaderList,
): Promise<{ stored: StoredResponse; isStored: boolean; why: Refusal | undefined }> {
  const { parts, asked, snapshot, times } = received;
  const judgement = judgeReply(received, before.status, merged);
  const markers = await markersOf(parts, snapshot, judgement);
  const { policy, freshness, verdict } = judgement;
  const kept = verdict.kind === 'store' ? verdict.headers : merged;
  const stored = freshened(before, kept, {
    received: headers,
    policy,
    freshness,
    markers: markers ?? before.markers,
    ...selectedBy(asked, judgement),
    ...times,
  });
  const why = verdict.kind === 'refuse' ? verdict.why : undefined;
  return { stored, isStored: why === undefined && markers !== undefined, why };
}

/** RFC 9111 section 4.3.5: a 200 to HEAD updates what GET stored, or shows that it is out of date. */
async function learnFromHead(received: Received, headers: HeaderList): Promise<void> {
  const { parts, asked, touched, reply, times } = received;
  if (touched === undefined || reply.status !== 200 || touched.status !== 200) return;
  if (!describesSame(touched, headers)) {
    parts.store.remove(asked.address, touched);
    return;
  }
  const after = await freshen(
    received,
    touched,
    mergedHeaders(touched, headers, times.receivedAtMs),
    headers,
  );
  // With what it says now it would not have been stored: nor is it served any longer.
  if (after.why !== undefined) parts.store.remove(asked.address, touched);
  if (!after.isStored || (await parts.store.isPurged(after.stored))) return;
  await parts.store.put(asked.address, after.stored, parts.clock.nowMs());
}
