import { isAlone, isPartial, type Asked } from './asked.ts';
import type { Flight } from './collapse.ts';
import type { AskParts } from './keep-reply.ts';
import type { Found } from './response-store.ts';
import { variantKey } from './vary.ts';

type Parts = Pick<AskParts, 'flights' | 'store' | 'known' | 'hitForMiss' | 'clock'>;

/** Whether one response can serve this request and others: of a stored one the whole is asked, whatever the client wants. */
export function mayShareCall({ known }: Parts, way: Asked, found: Found | undefined): boolean {
  const isForAuthorized =
    found?.stored.isForAuthorized ?? known.get(way.address.key)?.isForAuthorized ?? false;
  if (way.directives.isNoCache || isAlone(way, { isForAuthorized })) return false;
  return found !== undefined || !isPartial(way);
}

/** The call whose response may be this request's too; for HEAD, one of GET as well. */
export function underWayFor(parts: Parts, way: Asked): Flight | undefined {
  const { key } = way.address;
  const variant = flightVariant(parts, way);
  const ofGet = parts.flights.get(key, variant);
  if (ofGet !== undefined || !mayBeginFlight(way)) return ofGet;
  return parts.flights.get(key, withMethod(variant, way));
}

/** Whether a call of this request, for which none is under way, may be waited for by others. */
export function mayBegin(
  { hitForMiss, clock }: Parts,
  way: Asked,
  { found, round }: { found: Found | undefined; round: number },
): boolean {
  if (!mayBeginFlight(way)) return false;
  return found !== undefined || round > 0 || !hitForMiss.has(way.address.key, clock.nowMs());
}

/** Begins a call that others may wait for. */
export function beginShared(parts: Parts, way: Asked): Flight {
  const variant = withMethod(flightVariant(parts, way), way);
  return parts.flights.begin(way.address.key, { variant, isBackground: false });
}

export function alone({ flights }: Parts, { address }: Asked): Flight {
  return flights.begin(address.key, { isBackground: false });
}

/** What selects the response among those of its address, as far as is known. */
export function flightVariant({ store }: Parts, { address, selecting, reach }: Asked): string {
  switch (reach.kind) {
    case 'trusting':
      return variantKey(store.varyNames(address), selecting);
    case 'personal':
      // What comes back may tell what counts: whoever else asks waits to hear that, at least.
      return 'personal';
    case 'plain':
      return `plain\n${variantKey(reach.names, selecting)}`;
    default:
      return reach satisfies never;
  }
}

/** Whether a call of this request may be waited for by others. */
function mayBeginFlight(way: Asked): boolean {
  // The function is asked with a HEAD as it came: what it answers to conditions is for who has set them.
  return way.exchange.method === 'GET' || !isPartial(way);
}

/** Calls with HEAD are shared among themselves: one cannot stand in for GET, whose answer has a body. */
function withMethod(variant: string, { exchange: { method } }: Asked): string {
  return method === 'HEAD' ? `${variant}\nHEAD` : variant;
}
