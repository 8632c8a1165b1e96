import type { Request } from './generate.ts';
import { isMeant, type Knowledge } from './knowledge.ts';
import { betterOf, isAlone, isFor, keyOf, newestOf } from './matching.ts';
import type { Purges } from './purges.ts';
import { covers, isSelectedBy, useOf, type Kept, type Profile } from './rules.ts';
import type { Tiers } from './tiers.ts';
import { WHOLE } from './ways.ts';

/** All that a look-up needs. */
export type Desk = { tiers: Tiers; purges: Purges; knowledge: Knowledge; profile: Profile; now: number };

/** What is kept for a request, as far as its gateway may use it. */
export function lookUp(
  desk: Desk,
  request: Request,
): { found: Kept | undefined; isSoft: boolean; part?: Kept } {
  const key = keyOf(request);
  const { tiers, purges, knowledge, profile, now } = desk;
  const memory = tiers.inMemory(request);
  const selected = memory.filter((kept) => isSelectedBy(kept, request));
  let near = newestOf(selected);
  while (near !== undefined && purges.stateOf(near) === 'gone') {
    const purged = near;
    tiers.forget(request.gateway, key, purged);
    selected.splice(selected.indexOf(purged), 1);
    near = newestOf(selected);
  }
  const isSoft = near !== undefined && purges.stateOf(near) === 'soft';
  if (near !== undefined && isFor(near, request, profile) && covers(near, request)) {
    if (useOf(near, request, profile, { now, isSoft }) !== 'ask') return { found: near, isSoft };
  }
  const isMarked = knowledge.isMarked(key, now);
  const far = near === undefined && isMarked ? undefined : lookUpShared(desk, request);
  const found = betterOf(near, far, request);
  if (found !== undefined && found === far) tiers.remember(request.gateway, key, found);
  if (found === undefined || !isFor(found, request, profile)) return { found: undefined, isSoft: false };
  if (!covers(found, request)) {
    return { found: undefined, isSoft: false, ...(isAlone(request, found) ? {} : { part: found }) };
  }
  return { found, isSoft: purges.stateOf(found) === 'soft' };
}

function lookUpShared(desk: Desk, request: Request): Kept | undefined {
  const { tiers, now } = desk;
  const key = keyOf(request);
  const isKnown = tiers.shelf.find(request, key, now) !== undefined;
  const far = farOf(desk, request);
  // Of what was purged nothing is learnt.
  if (isKnown && far === undefined) return undefined;
  const names = far?.names ?? tiers.shelf.namesOf(key, now);
  if (names !== undefined) learnNames(desk, request, names, far);
  return far;
}

/** What the gateways share for it, unless that was purged. */
export function farOf({ tiers, purges, now }: Desk, request: Request): Kept | undefined {
  return tiers.shelf.find(request, keyOf(request), now, (kept) => purges.stateOf(kept) !== 'gone');
}

/** Another gateway's responses tell what counts, too. */
function learnNames(
  { knowledge }: Desk,
  request: Request,
  names: readonly string[],
  far: Kept | undefined,
): void {
  const before = knowledge.get(keyOf(request));
  const isForAuthorized = far === undefined ? before?.isForAuthorized === true : isMeant(far);
  const counting = names.filter((name) => name !== WHOLE);
  knowledge.learn(keyOf(request), { names: counting, isForAuthorized });
}
