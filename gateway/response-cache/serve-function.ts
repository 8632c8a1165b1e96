import type { FunctionResource } from '../../contracts/manifest.ts';
import { EdgeError } from '../../core/errors.ts';
import type { Answer } from '../exchange.ts';
import type { FunctionCaller } from '../functions/call-function.ts';
import type { TrustedProxies } from '../functions/forwarded.ts';
import { answerStored } from './answer-stored.ts';
import { askFunction } from './ask-function.ts';
import { isAlone, isBeyondCache, NOTHING_ASKED, readAsked, type Asked } from './asked.ts';
import type { Flight } from './collapse.ts';
import { forward, type ForwardParts } from './forward.ts';
import { lookUp, peekStanding, reasonOf, type Standing } from './look-up.ts';
import { passThrough } from './pass-through.ts';
import type { Found } from './response-store.ts';
import { reuseOf, type Reuse } from './reuse.ts';
import { flightVariant } from './share-call.ts';
import type { StoredResponse } from './stored-response.ts';
import { wayOf } from './way-of.ts';

export type ServeParts = ForwardParts & { trustedProxies: TrustedProxies };
type Serving = ServeParts & {
  /** What is being refreshed: looked at before anything is worked out, for requests for what is stale come in crowds. */
  refreshing: WeakMap<StoredResponse, Flight>;
};

/** Answers requests for functions: from what is stored where RFC 9111 allows it, else by calling them. */
export function createCachedFunctionCaller(options: ServeParts): FunctionCaller {
  const parts: Serving = { ...options, refreshing: new WeakMap() };
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
      if (isBeyondCache(asked)) return pastCache(parts, asked);
      const standing = peekStanding(parts, asked);
      const known = standing && fromStanding(parts, asked, standing);
      const reply = known ?? (await serve(parts, asked));
      if (exchange.event.cache === 'hit') answering.add(resource);
      return reply;
    },
  };
}

async function pastCache(
  { direct }: Serving,
  { exchange, site, resource, directives }: Asked,
): Promise<Answer> {
  if (directives.isOnlyIfCached) throw new EdgeError('ONLY_IF_CACHED');
  return direct.call(exchange, site, resource);
}

async function serve(parts: Serving, asked: Asked): Promise<Answer> {
  const standing = await lookUp(parts, asked);
  const known = fromStanding(parts, asked, standing);
  if (known !== undefined) return known;
  if (asked.directives.isOnlyIfCached) throw new EdgeError('ONLY_IF_CACHED');
  const { found, part } = standing;
  // A request that stands alone neither completes what is stored nor replaces it.
  const own = part !== undefined && isAlone(asked, part) ? undefined : part;
  return forward(parts, { ...asked, part: own }, { found, why: reasonOf(standing), round: 0 });
}

/** The answer, where what is stored may be used; a refresh that it needs begins. */
function fromStanding(parts: Serving, asked: Asked, { found, reuse }: Standing): Answer | undefined {
  if (found === undefined || (reuse?.kind !== 'fresh' && reuse?.kind !== 'stale')) return undefined;
  if (reuse.kind === 'stale' && reuse.by === 'swr') refreshInBackground(parts, asked, found);
  return fromStored(parts, asked, found, reuse);
}

function fromStored(
  { clock }: Serving,
  { exchange }: Asked,
  { stored }: Found,
  reuse: Exclude<Reuse, { kind: 'validate' }>,
): Answer {
  exchange.event.cache = reuse.kind === 'fresh' ? 'hit' : 'stale';
  const detail = reuse.kind === 'stale' ? reuse.by : undefined;
  return answerStored(exchange, stored, { kind: 'hit', ttlMs: reuse.ttlMs, detail }, clock.nowMs());
}

/** One refresh for each key, whoever asks meanwhile; a request that stands alone begins none. */
function refreshInBackground(parts: Serving, asked: Asked, found: Found): void {
  if (parts.refreshing.get(found.stored)?.isOpen === true || isAlone(asked, found.stored)) return;
  const { key } = asked.address;
  const way = wayOf(parts, asked, found);
  const variant = flightVariant(parts, way);
  if (parts.flights.get(key, variant) !== undefined) return;
  const flight = parts.flights.begin(key, { variant, isBackground: true });
  parts.refreshing.set(found.stored, flight);
  void refresh(parts, { asked, way }, found, flight);
}

async function refresh(
  parts: Serving,
  { asked, way }: { asked: Asked; way: Asked },
  found: Found,
  flight: Flight,
): Promise<void> {
  try {
    if (await isRefreshedElsewhere(parts, asked, flight)) return;
    const whole = { ...way, exchange: { ...way.exchange, method: 'GET' } };
    const asking = await askFunction(parts, whole, found, flight);
    if (asking.kind === 'reply') asking.body.resume();
  } catch {
    // The flight has landed as failed: the next request that finds the response stale tries again.
  }
}

/** Whether another gateway has been faster: then its response is this one's too. */
async function isRefreshedElsewhere(parts: Serving, asked: Asked, flight: Flight): Promise<boolean> {
  const other = await parts.store.findShared(asked.address, asked.selecting);
  if (other.kind === 'none' || other.stored.partial !== undefined) return false;
  const { stored, isSoftPurged } = other;
  const reuse = reuseOf(stored, NOTHING_ASKED, { nowMs: parts.clock.nowMs(), isSoftPurged });
  if (reuse.kind !== 'fresh') return false;
  parts.store.keepNear(asked.address, stored);
  flight.land({ kind: 'stored', stored, status: stored.status });
  return true;
}
