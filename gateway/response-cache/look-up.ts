import { covers } from './answer-stored.ts';
import type { Asked } from './asked.ts';
import type { ForwardReason } from './cache-status.ts';
import type { AskParts } from './keep-reply.ts';
import type { Found, Lookup } from './response-store.ts';
import { reuseOf, type Reuse } from './reuse.ts';
import type { StoredResponse } from './stored-response.ts';
import { fieldNames } from './vary.ts';

/** What is known of the stored response for a request. */
export type Standing = {
  found: Found | undefined;
  reuse: Reuse | undefined;
  missed: Missed;
  /** What is stored and lacks what the request asks for. */
  part?: StoredResponse | undefined;
};
type Missed = 'uri-miss' | 'vary-miss' | 'partial';

/** The hot path: what memory alone can say, where that is enough. */
export function peekStanding(parts: AskParts, asked: Asked): Standing | undefined {
  const found = parts.store.peek(asked.address, asked.selecting);
  if (found === undefined || !isFor(asked, found) || !hasAll(parts, asked, found.stored)) return undefined;
  const reuse = standingOf(parts, asked, found);
  return reuse.kind === 'validate' ? undefined : { found, reuse, missed: 'uri-miss' };
}

export async function lookUp(parts: AskParts, asked: Asked): Promise<Standing> {
  const near = await parts.store.find(asked.address, asked.selecting);
  const nearReuse = near === undefined ? undefined : standingOf(parts, asked, near);
  const isEnough = near !== undefined && isFor(asked, near) && hasAll(parts, asked, near.stored);
  if (isEnough && nearReuse?.kind !== 'validate') {
    return { found: near, reuse: nearReuse, missed: 'uri-miss' };
  }
  // Another gateway may have something fresher; not where nothing is stored anyway.
  const isUnlikely = near === undefined && parts.hitForMiss.has(asked.address.key, parts.clock.nowMs());
  const shared = isUnlikely ? undefined : await parts.store.findShared(asked.address, asked.selecting);
  if (shared !== undefined) learnFrom(parts, asked, shared);
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

export function hasAll({ clock }: AskParts, { exchange }: Asked, stored: StoredResponse): boolean {
  return covers(exchange, stored, clock.nowMs());
}

/** Of two the one that has what is asked for; else the newer one. */
function better(parts: AskParts, asked: Asked, near: Found | undefined, shared: Found): Found {
  if (near === undefined) return shared;
  const [hasNear, hasShared] = [near, shared].map(({ stored }) => hasAll(parts, asked, stored));
  if (hasNear !== hasShared) return hasNear === true ? near : shared;
  return near.stored.receivedAtMs > shared.stored.receivedAtMs ? near : shared;
}

function standingOf({ clock }: AskParts, { directives }: Asked, { stored, isSoftPurged }: Found): Reuse {
  return reuseOf(stored, directives, { nowMs: clock.nowMs(), isSoftPurged });
}

/** Why the function has to be asked. */
export function reasonOf({ reuse, missed }: Standing): ForwardReason {
  if (reuse?.kind !== 'validate') return missed;
  return reuse.why === 'request' ? 'request' : 'stale';
}

/** What other gateways have stored tells what counts, whether it is for this request or not. */
function learnFrom({ known }: AskParts, { address, reach }: Asked, shared: Lookup): void {
  if (reach.kind === 'trusting' || (shared.kind === 'none' && shared.why === 'uri-miss')) return;
  const { varyNames, ...rest } = shared.kind === 'found' ? shared.stored : shared;
  const isForAuthorized = 'isForAuthorized' in rest ? rest.isForAuthorized : undefined;
  known.learn(address.key, { names: fieldNames(varyNames), isForAuthorized });
}
