import type { FunctionResource } from '../../contracts/manifest.ts';
import { EdgeError } from '../../core/errors.ts';
import type { Answer, Exchange } from '../exchange.ts';
import { clientSignal } from '../functions/client-signal.ts';
import type { FunctionCaller } from '../functions/call-function.ts';
import type { TrustedProxies } from '../functions/forwarded.ts';
import { answerStored, covers } from './answer-stored.ts';
import { askFunction, maySave } from './ask-function.ts';
import { isAlone, isBeyondCache, isPartial, NOTHING_ASKED, readAsked, type Asked } from './asked.ts';
import { isBodiless, readOut } from './bodiless.ts';
import type { CacheStatus, ForwardReason } from './cache-status.ts';
import type { CollapseLimits, Flight, Landing } from './collapse.ts';
import type { AskParts, LiveReply } from './keep-reply.ts';
import { liveAnswer } from './live-answer.ts';
import { matches } from './memory-tier.ts';
import { passThrough } from './pass-through.ts';
import type { Found } from './response-store.ts';
import { reuseOf, type Reuse } from './reuse.ts';
import { flightKeyOf, mayBeginFlight } from './share-head.ts';
import { isMarked, type StoredResponse } from './stored-response.ts';
import { variantKey } from './vary.ts';

export type ServeParts = AskParts & {
  /** The way to a function past the cache. */
  direct: FunctionCaller;
  limits: CollapseLimits;
  trustedProxies: TrustedProxies;
};

/** Answers requests for functions: from what is stored where RFC 9111 allows it, else by calling them. */
export function createCachedFunctionCaller(parts: ServeParts): FunctionCaller {
  // Where memory has never had the answer, asking it on the short way first would only cost.
  const answering = new WeakSet<FunctionResource>();
  return {
    fromMemory: (exchange, site, resource) => {
      if (!answering.has(resource)) return undefined;
      exchange.event.route = 'function';
      const asked = readAsked(exchange, site, resource, parts.trustedProxies);
      const standing = isBeyondCache(asked) ? undefined : peekStanding(parts, asked);
      return standing && fromStanding(parts, asked, standing);
    },
    call: async (exchange, site, resource) => {
      if (exchange.isUpgrade) return parts.direct.call(exchange, site, resource);
      exchange.event.route = 'function';
      const asked = readAsked(exchange, site, resource, parts.trustedProxies);
      if (exchange.method !== 'GET' && exchange.method !== 'HEAD') return passThrough(parts, asked);
      if (isBeyondCache(asked)) return parts.direct.call(exchange, site, resource);
      const standing = peekStanding(parts, asked);
      const known = standing && fromStanding(parts, asked, standing);
      const reply = known ?? (await serve(parts, asked));
      if (exchange.event.cache === 'hit') answering.add(resource);
      return reply;
    },
  };
}

/** What is known of the stored response for a request. */
type Standing = {
  found: Found | undefined;
  reuse: Reuse | undefined;
  missed: Missed;
  /** What is stored and lacks what the request asks for. */
  part?: StoredResponse | undefined;
};
type Missed = 'uri-miss' | 'vary-miss' | 'partial';

async function serve(parts: ServeParts, asked: Asked): Promise<Answer> {
  const standing = await lookUp(parts, asked);
  const { found, reuse, missed, part } = standing;
  const known = fromStanding(parts, asked, standing);
  if (known !== undefined) return known;
  if (asked.directives.isOnlyIfCached) throw new EdgeError('ONLY_IF_CACHED');
  // A request that stands alone neither completes what is stored nor replaces it.
  const own = part !== undefined && isAlone(asked, part) ? undefined : part;
  return forward(parts, { ...asked, part: own }, found, reasonOf(reuse, missed));
}

/** The answer, where what is stored may be used; a refresh that it needs begins. */
function fromStanding(parts: ServeParts, asked: Asked, { found, reuse }: Standing): Answer | undefined {
  if (found === undefined || (reuse?.kind !== 'fresh' && reuse?.kind !== 'stale')) return undefined;
  if (reuse.kind === 'stale' && reuse.by === 'swr') refreshInBackground(parts, asked, found);
  return fromStored(parts, asked, found, reuse);
}

/** The hot path: what memory alone can say, where that is enough. */
function peekStanding(parts: ServeParts, asked: Asked): Standing | undefined {
  const found = parts.store.peek(asked.address, asked.selecting);
  if (found === undefined || !isFor(asked, found) || !hasAll(parts, asked, found.stored)) return undefined;
  const reuse = standingOf(parts, asked, found);
  return reuse.kind === 'validate' ? undefined : { found, reuse, missed: 'uri-miss' };
}

async function lookUp(parts: ServeParts, asked: Asked): Promise<Standing> {
  const near = await parts.store.find(asked.address, asked.selecting);
  const nearReuse = near === undefined ? undefined : standingOf(parts, asked, near);
  const isEnough = near !== undefined && isFor(asked, near) && hasAll(parts, asked, near.stored);
  if (isEnough && nearReuse?.kind !== 'validate') {
    return { found: near, reuse: nearReuse, missed: 'uri-miss' };
  }
  // Another gateway may have something fresher; not where nothing is stored anyway.
  const isUnlikely = near === undefined && parts.hitForMiss.has(asked.address.key, parts.clock.nowMs());
  const shared = isUnlikely ? undefined : await parts.store.findShared(asked.address, asked.selecting);
  const found = shared?.kind === 'found' ? better(parts, asked, near, shared) : near;
  if (found !== undefined && found !== near) parts.store.keepNear(asked.address, found.stored);
  const missed = shared?.kind === 'none' ? shared.why : 'uri-miss';
  if (found === undefined || !isFor(asked, found)) return { found: undefined, reuse: undefined, missed };
  if (!hasAll(parts, asked, found.stored)) {
    return { found: undefined, reuse: undefined, missed: 'partial', part: found.stored };
  }
  return { found, reuse: standingOf(parts, asked, found), missed };
}

/** Credentials in a request may be why its response is another one: `safe` asks that sharing was meant. */
function isFor({ hasAuthorization, profile }: Asked, { stored }: Found): boolean {
  return !hasAuthorization || profile === 'rfc' || stored.isForAuthorized;
}

function hasAll({ clock }: ServeParts, { exchange }: Asked, stored: StoredResponse): boolean {
  return covers(exchange, stored, clock.nowMs());
}

/** Of two the one that has what is asked for; else the newer one. */
function better(parts: ServeParts, asked: Asked, near: Found | undefined, shared: Found): Found {
  if (near === undefined) return shared;
  const [hasNear, hasShared] = [near, shared].map(({ stored }) => hasAll(parts, asked, stored));
  if (hasNear !== hasShared) return hasNear === true ? near : shared;
  return near.stored.receivedAtMs > shared.stored.receivedAtMs ? near : shared;
}

function standingOf({ clock }: ServeParts, { directives }: Asked, { stored, isSoftPurged }: Found): Reuse {
  return reuseOf(stored, directives, { nowMs: clock.nowMs(), isSoftPurged });
}

function fromStored(
  { clock }: ServeParts,
  { exchange }: Asked,
  { stored }: Found,
  reuse: Exclude<Reuse, { kind: 'validate' }>,
): Answer {
  exchange.event.cache = reuse.kind === 'fresh' ? 'hit' : 'stale';
  const detail = reuse.kind === 'stale' ? reuse.by : undefined;
  return answerStored(exchange, stored, { kind: 'hit', ttlMs: reuse.ttlMs, detail }, clock.nowMs());
}

function reasonOf(reuse: Reuse | undefined, missed: Missed): ForwardReason {
  if (reuse?.kind !== 'validate') return missed;
  return reuse.why === 'request' ? 'request' : 'stale';
}

/** One refresh for each key, whoever asks meanwhile; a request that stands alone begins none. */
function refreshInBackground(parts: ServeParts, asked: Asked, found: Found): void {
  const { key } = asked.address;
  const variant = variantOf(parts, asked);
  if (parts.flights.get(key, variant) !== undefined || isAlone(asked, found.stored)) return;
  const flight = parts.flights.begin(key, { variant, isBackground: true });
  void refresh(parts, asked, found, flight);
}

async function refresh(parts: ServeParts, asked: Asked, found: Found, flight: Flight): Promise<void> {
  try {
    if (await isRefreshedElsewhere(parts, asked, flight)) return;
    const whole = { ...asked, exchange: { ...asked.exchange, method: 'GET' } };
    const asking = await askFunction(parts, whole, found, flight);
    if (asking.kind === 'reply') asking.body.resume();
  } catch {
    // The flight has landed as failed: the next request that finds the response stale tries again.
  }
}

/** Whether another gateway has been faster: then its response is this one's too. */
async function isRefreshedElsewhere(parts: ServeParts, asked: Asked, flight: Flight): Promise<boolean> {
  const other = await parts.store.findShared(asked.address, asked.selecting);
  if (other.kind === 'none' || other.stored.partial !== undefined) return false;
  const { stored, isSoftPurged } = other;
  const reuse = reuseOf(stored, NOTHING_ASKED, { nowMs: parts.clock.nowMs(), isSoftPurged });
  if (reuse.kind !== 'fresh') return false;
  parts.store.keepNear(asked.address, stored);
  flight.land({ kind: 'stored', stored, status: stored.status });
  return true;
}

/** Asks the function, or waits for somebody who already does. */
async function forward(
  parts: ServeParts,
  asked: Asked,
  found: Found | undefined,
  why: ForwardReason,
): Promise<Answer> {
  if (!mayShareCall(asked, found)) return lead(parts, asked, found, { why, flight: alone(parts, asked) });
  const underWay = underWayFor(parts, asked);
  if (underWay !== undefined && underWay.waiters < parts.limits.maxWaiters) {
    const answer = await follow(parts, asked, found, { why, flight: underWay });
    if (answer === 'purged') return askAnew(parts, asked, why);
    return answer ?? lead(parts, asked, found, { why, flight: alone(parts, asked) });
  }
  const isShared =
    underWay === undefined &&
    mayBeginFlight(asked) &&
    (found !== undefined || !parts.hitForMiss.has(asked.address.key, parts.clock.nowMs()));
  const flight = isShared ? beginShared(parts, asked) : alone(parts, asked);
  return lead(parts, asked, found, { why, flight });
}

/** What they waited for was purged: those who waited share one call again, but not for ever. */
async function askAnew(parts: ServeParts, asked: Asked, why: ForwardReason): Promise<Answer> {
  const underWay = underWayFor(parts, asked);
  if (underWay === undefined && mayBeginFlight(asked)) {
    return lead(parts, asked, undefined, { why, flight: beginShared(parts, asked) });
  }
  const answer =
    underWay === undefined ? undefined : await follow(parts, asked, undefined, { why, flight: underWay });
  if (answer !== undefined && answer !== 'purged') return answer;
  return lead(parts, asked, undefined, { why, flight: alone(parts, asked) });
}

/** The call whose response may be this request's too; for HEAD, one of GET as well. */
function underWayFor(parts: ServeParts, asked: Asked): Flight | undefined {
  const { key } = asked.address;
  const variant = variantOf(parts, asked);
  const ofGet = parts.flights.get(key, variant);
  if (ofGet !== undefined || !mayBeginFlight(asked)) return ofGet;
  return parts.flights.get(key, flightKeyOf(variant, asked));
}

/** Begins a call that others may wait for. */
function beginShared(parts: ServeParts, asked: Asked): Flight {
  const variant = flightKeyOf(variantOf(parts, asked), asked);
  return parts.flights.begin(asked.address.key, { variant, isBackground: false });
}

function alone({ flights }: ServeParts, { address }: Asked): Flight {
  return flights.begin(address.key, { isBackground: false });
}

/** Whether one response can serve this request and others: of a stored one the whole is asked, whatever the client wants. */
function mayShareCall(asked: Asked, found: Found | undefined): boolean {
  if (asked.directives.isNoCache || isAlone(asked, found?.stored)) return false;
  return found !== undefined || !isPartial(asked);
}

/** What selects the response among those of its address, as far as is known. */
function variantOf({ store }: ServeParts, { address, selecting }: Asked): string {
  return variantKey(store.varyNames(address), selecting.headers, selecting.profile);
}

type Call = { why: ForwardReason; flight: Flight };

/** Waits for another request's call; undefined: its response is not for this one; `purged`: it is for nobody any more. */
async function follow(
  parts: ServeParts,
  asked: Asked,
  found: Found | undefined,
  { why, flight }: Call,
): Promise<Answer | 'purged' | undefined> {
  const { limits } = parts;
  const landing = await flight.wait({
    unknownMs: found === undefined ? limits.unknownWaitMs : limits.knownWaitMs,
    knownMs: limits.knownWaitMs,
    signal: clientSignal(asked.exchange),
  });
  return landing === undefined ? undefined : await fromLanding(parts, asked, found, { why, landing });
}

async function fromLanding(
  parts: ServeParts,
  asked: Asked,
  found: Found | undefined,
  { why, landing }: { why: ForwardReason; landing: Landing },
): Promise<Answer | 'purged' | undefined> {
  const collapsed = { kind: 'forward', why, isStored: false, isCollapsed: true } as const;
  switch (landing.kind) {
    case 'stored': {
      const { stored, status } = landing;
      const isForThis = matches(stored, asked.selecting.headers, asked.profile);
      if (!isForThis || !hasAll(parts, asked, stored)) return undefined;
      // It was asked for before this request came: a purge in between wins.
      if (await parts.store.isPurged(stored)) return 'purged';
      asked.exchange.event.cache = 'miss';
      const cacheStatus = { ...collapsed, status, isStored: isMarked(stored) };
      return answerStored(asked.exchange, stored, cacheStatus, parts.clock.nowMs());
    }
    case 'described': {
      const { status, headers, varyNames, variant } = landing;
      if (variantKey(varyNames, asked.selecting.headers, asked.profile) !== variant) return undefined;
      asked.exchange.event.cache = 'miss';
      return liveAnswer(asked.exchange, { status, headers, body: null }, { ...collapsed, status });
    }
    case 'purged':
      return 'purged';
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

async function lead(parts: ServeParts, asked: Asked, found: Found | undefined, call: Call): Promise<Answer> {
  const { flight, why } = call;
  onClientLeft(asked.exchange, () => flight.clientLeft());
  const asking = await askFunction(parts, asked, found, flight);
  const { exchange } = asked;
  const forwarded = { kind: 'forward', why, isCollapsed: false } as const;
  switch (asking.kind) {
    case 'validated': {
      exchange.event.cache = 'revalidated';
      const { stored, isStored } = asking;
      return answerStored(exchange, stored, { ...forwarded, status: 304, isStored }, parts.clock.nowMs());
    }
    case 'stale':
      return staleAnswer(parts, asked, asking.stored, {
        ...forwarded,
        status: asking.status,
        isStored: false,
      });
    case 'reply':
      return fromReply(parts, asked, asking, call);
    default:
      return asking satisfies never;
  }
}

/** Streams the reply; a client that wants a part, or nothing new, of a response that is stored gets that. */
async function fromReply(
  parts: ServeParts,
  asked: Asked,
  reply: LiveReply,
  { why, flight }: Call,
): Promise<Answer> {
  const { exchange } = asked;
  exchange.event.cache = 'miss';
  const status: CacheStatus = {
    kind: 'forward',
    why,
    status: reply.status,
    isStored: reply.isKept,
    isCollapsed: false,
  };
  if (!isForStoreFirst(asked, reply)) {
    const body = reply.isKept && isBodiless(reply) ? await readOut(reply.body) : reply.body;
    return liveAnswer(exchange, { ...reply, body }, status);
  }
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
  { clock }: ServeParts,
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
