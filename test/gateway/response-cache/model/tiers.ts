import type { Request } from './generate.ts';
import { isOneOf, isSameVariant, keyOf } from './matching.ts';
import { ageOf, governing, lifetimeOf, type Kept, type Profile } from './rules.ts';
import { SharedShelf } from './shared-shelf.ts';

const DAY = 86_400;
const HOUR = 3600;

/** What each gateway has in memory, and what they share. */
export class Tiers {
  readonly shelf: SharedShelf = new SharedShelf();
  readonly #memories: [Map<string, Kept[]>, Map<string, Kept[]>] = [new Map(), new Map()];

  inMemory(request: Request): readonly Kept[] {
    return this.#memories[request.gateway].get(keyOf(request)) ?? [];
  }

  keep(request: Request, kept: Kept, { now, profile }: { now: number; profile: Profile }): void {
    const key = keyOf(request);
    this.remember(request.gateway, key, kept);
    const all = this.inMemory(request);
    const until = now + usefulFor(kept, now, profile);
    const indexUntil = now + Math.max(...all.map((each) => usefulFor(each, now, profile)));
    if (until > now) this.shelf.put(key, kept, { all, until, indexUntil });
  }

  remember(gateway: 0 | 1, key: string, kept: Kept): void {
    const others = (this.#memories[gateway].get(key) ?? []).filter(
      (each) => !isSameVariant(each, kept) && !isOneOf(each, kept),
    );
    this.#memories[gateway].set(key, [kept, ...others]);
  }

  forget(gateway: 0 | 1, key: string, kept: Kept): void {
    const left = (this.#memories[gateway].get(key) ?? []).filter((each) => each !== kept);
    this.#memories[gateway].set(key, left);
  }

  forgetBoth(request: Request, kept: Kept): void {
    const key = keyOf(request);
    this.forget(request.gateway, key, kept);
    this.shelf.remove(key, kept);
  }

  forgetNear(request: Request): void {
    this.#memories[request.gateway].delete(keyOf(request));
  }
}

/** Seconds for which it can be of use to anyone. */
function usefulFor(kept: Kept, now: number, profile: Profile): number {
  const { seconds } = lifetimeOf(kept, profile);
  const { directives } = governing(kept.fields);
  const hasValidator = kept.fields.etag !== undefined || kept.fields.lastModified !== undefined;
  const afterwards = Math.max(directives.swr ?? 0, directives.sie ?? 0, hasValidator ? HOUR : 0);
  return Math.min(DAY, seconds - ageOf(kept, now) + afterwards);
}
