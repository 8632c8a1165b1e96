import type { Answer, Exchange } from '../exchange.ts';
import type { FunctionCaller } from '../functions/call-function.ts';
import { clientSignal } from '../functions/client-signal.ts';
import { answerStored } from './answer-stored.ts';
import { askFunction, maySave } from './ask-function.ts';
import { isPartial, type Asked } from './asked.ts';
import { isBodiless, readOut } from './bodiless.ts';
import type { CacheStatus, ForwardReason } from './cache-status.ts';
import type { CollapseLimits, Flight, Landing, Selected } from './collapse.ts';
import type { AskParts, LiveReply } from './keep-reply.ts';
import { liveAnswer } from './live-answer.ts';
import { hasAll } from './look-up.ts';
import { matches } from './memory-tier.ts';
import type { Found } from './response-store.ts';
import { alone, beginShared, mayBegin, mayShareCall, underWayFor } from './share-call.ts';
import { isMarked } from './stored-response.ts';
import { variantKey } from './vary.ts';
import { wayOf } from './way-of.ts';

export type ForwardParts = AskParts & {
  /** The way to a function past the cache. */
  direct: FunctionCaller;
  limits: CollapseLimits;
};

/** A request on its way to the function: what is stored for it, why that is not enough, how often it was asked for. */
type Journey = { found: Found | undefined; why: ForwardReason; round: number };

// Each round knows more of what counts, or comes after a purge. A request that needs more goes by itself, past everybody.
const MAX_ROUNDS = 3;

/** Asks the function, or waits for somebody who already does. */
export async function forward(parts: ForwardParts, asked: Asked, journey: Journey): Promise<Answer> {
  const { found, round } = journey;
  const way = round < MAX_ROUNDS ? wayOf(parts, asked, found) : asked;
  const lead = (flight: Flight, by = way): Promise<Answer> =>
    leadCall(parts, asked, by, { ...journey, flight });
  if (round >= MAX_ROUNDS || !mayShareCall(parts, way, found)) return lead(alone(parts, way));
  const underWay = underWayFor(parts, way);
  if (underWay === undefined)
    return lead(mayBegin(parts, way, journey) ? beginShared(parts, way) : alone(parts, way));
  if (underWay.waiters >= parts.limits.maxWaiters) return lead(alone(parts, way));
  const answer = await follow(parts, asked, journey, underWay);
  if (answer === 'again') return forward(parts, asked, { ...journey, round: round + 1 });
  if (answer === 'purged') return forward(parts, asked, { ...journey, found: undefined, round: round + 1 });
  return answer ?? lead(alone(parts, asked), asked);
}

/**
 * Waits for another request's call. Undefined: its response is for nobody else; `again`: it is for others, and by now it is
 * known how to ask for this one; `purged`: it is for nobody any more.
 */
async function follow(
  parts: ForwardParts,
  asked: Asked,
  { found, why }: Journey,
  flight: Flight,
): Promise<Answer | 'again' | 'purged' | undefined> {
  const { limits } = parts;
  const landing = await flight.wait({
    unknownMs: found === undefined ? limits.unknownWaitMs : limits.knownWaitMs,
    knownMs: limits.knownWaitMs,
    signal: clientSignal(asked.exchange),
    isForThis: (selected) => isSelectedBy(selected, asked),
  });
  return landing === undefined ? undefined : await fromLanding(parts, asked, found, { why, landing });
}

/** Whether the request selects a response with these names and values of theirs. */
function isSelectedBy({ varyNames, variant }: Selected, { selecting }: Asked): boolean {
  return variantKey(varyNames, selecting) === variant;
}

async function fromLanding(
  parts: ForwardParts,
  asked: Asked,
  found: Found | undefined,
  { why, landing }: { why: ForwardReason; landing: Landing },
): Promise<Answer | 'again' | 'purged' | undefined> {
  const collapsed = { kind: 'forward', why, isStored: false, isCollapsed: true } as const;
  switch (landing.kind) {
    case 'stored': {
      const { stored, status } = landing;
      if (!matches(stored, asked.selecting)) return 'again';
      if (!hasAll(parts, asked, stored)) return undefined;
      // It was asked for before this request came: a purge in between wins.
      if (await parts.store.isPurged(stored)) return 'purged';
      asked.exchange.event.cache = 'miss';
      const cacheStatus = { ...collapsed, status, isStored: isMarked(stored) };
      return answerStored(asked.exchange, stored, cacheStatus, parts.clock.nowMs());
    }
    case 'described': {
      const { status, headers } = landing;
      if (!isSelectedBy(landing, asked)) return 'again';
      asked.exchange.event.cache = 'miss';
      return liveAnswer(asked.exchange, { status, headers, body: null }, { ...collapsed, status });
    }
    case 'again':
    case 'purged':
      return landing.kind;
    case 'unshareable':
      return undefined;
    case 'erred':
      if (found === undefined || !maySave(parts, asked, found.stored, 'error-status')) return undefined;
      return staleAnswer(parts, asked, found.stored, { ...collapsed, status: landing.status });
    case 'failed':
      if (found === undefined || !maySave(parts, asked, found.stored, 'unreachable')) throw landing.error;
      return staleAnswer(parts, asked, found.stored, { ...collapsed, status: undefined });
    default:
      return landing satisfies never;
  }
}

type Call = Journey & { flight: Flight; detail?: string };

/** @param way how the function is asked: for everybody, or as the client asked. */
async function leadCall(parts: ForwardParts, asked: Asked, way: Asked, call: Call): Promise<Answer> {
  const { found, flight, why } = call;
  const { exchange } = asked;
  onClientLeft(exchange, () => flight.clientLeft());
  // What is stored in part is completed for everybody, or not at all.
  const part = way.reach.kind === 'personal' ? undefined : way.part;
  const asking = await askFunction(parts, { ...way, part }, found, flight);
  const forwarded = { kind: 'forward', why, isCollapsed: false, detail: call.detail } as const;
  switch (asking.kind) {
    case 'validated': {
      const { stored, isStored } = asking;
      if (!matches(stored, asked.selecting)) return forward(parts, asked, { ...call, round: call.round + 1 });
      exchange.event.cache = 'revalidated';
      return answerStored(exchange, stored, { ...forwarded, status: 304, isStored }, parts.clock.nowMs());
    }
    case 'stale': {
      const status = { ...forwarded, status: asking.status, isStored: false };
      return staleAnswer(parts, asked, asking.stored, status);
    }
    case 'refused': {
      // What everybody may not have, this client may.
      const own = { ...call, found: undefined, flight: alone(parts, asked), detail: asking.why };
      return leadCall(parts, asked, asked, own);
    }
    case 'reply':
      return fromReply(parts, asked, asking, call);
    default:
      return asking satisfies never;
  }
}

/** Streams the reply; a client that wants a part, or nothing new, of a response that is stored gets that. */
async function fromReply(parts: ForwardParts, asked: Asked, reply: LiveReply, call: Call): Promise<Answer> {
  const { exchange } = asked;
  if (reply.selected !== undefined && !isSelectedBy(reply.selected, asked)) {
    // It is stored for others. What this client sent turns out to count: asked again, with that.
    reply.body.resume();
    return forward(parts, asked, { ...call, round: call.round + 1 });
  }
  exchange.event.cache = 'miss';
  const status: CacheStatus = {
    kind: 'forward',
    why: call.why,
    status: reply.status,
    isStored: reply.isKept,
    isCollapsed: false,
    detail: call.detail,
  };
  if (!isForStoreFirst(asked, reply)) {
    const body = reply.isKept && isBodiless(reply) ? await readOut(reply.body) : reply.body;
    return liveAnswer(exchange, { ...reply, body }, status);
  }
  return fromWhole(parts, asked, reply, { status, flight: call.flight });
}

async function fromWhole(
  parts: ForwardParts,
  asked: Asked,
  reply: LiveReply,
  { status, flight }: { status: CacheStatus; flight: Flight },
): Promise<Answer> {
  const { exchange } = asked;
  const stop = new AbortController();
  const wait = flight.wait({
    unknownMs: parts.limits.knownWaitMs,
    knownMs: parts.limits.knownWaitMs,
    signal: stop.signal,
  });
  reply.body.resume();
  const landing = await wait;
  if (landing?.kind === 'stored' && hasAll(parts, asked, landing.stored)) {
    return answerStored(exchange, landing.stored, status, parts.clock.nowMs());
  }
  return parts.direct.call(exchange, asked.site, asked.resource);
}

/** Whether what comes is not the answer itself, but what the answer is made from. */
function isForStoreFirst(asked: Asked, { isKept, isFiller, status }: LiveReply): boolean {
  return isFiller === true || (isKept && isPartial(asked) && status !== 206);
}

function staleAnswer(
  { clock }: ForwardParts,
  { exchange }: Asked,
  stored: Found['stored'],
  cacheStatus: CacheStatus,
): Answer {
  exchange.event.cache = 'stale';
  const ttlMs = stored.lifetimeMs - stored.initialAgeMs - (clock.nowMs() - stored.receivedAtMs);
  return answerStored(exchange, stored, { ...cacheStatus, ttlMs, detail: 'stale-if-error' }, clock.nowMs());
}

function onClientLeft({ outgoing }: Exchange, leave: () => void): void {
  if (outgoing.destroyed) leave();
  else outgoing.once('close', leave);
}
