import type { Request } from './generate.ts';
import { newestOf, variantKey } from './matching.ts';
import { isSelectedBy, type Kept } from './rules.ts';
import { sorted, valuesOf } from './ways.ts';

/** What stands under an address in the shared cache. */
type Index = { inline: Kept | undefined; varies: (readonly string[])[]; until: number };

/** The shared cache: an index for each address, and what varies beside it. */
export class SharedShelf {
  readonly #indexes = new Map<string, Index>();
  readonly #variants = new Map<string, { kept: Kept; until: number }>();

  /** What tells the variants of the address apart. */
  namesOf(key: string, now: number): readonly string[] | undefined {
    const index = this.#indexes.get(key);
    return index === undefined || now >= index.until ? undefined : sorted(index.varies.flat());
  }

  /** The most recent that the request selects, of those that may be used. */
  find(
    request: Request,
    key: string,
    now: number,
    mayBeUsed: (kept: Kept) => boolean = () => true,
  ): Kept | undefined {
    const index = this.#indexes.get(key);
    if (index === undefined || now >= index.until) return undefined;
    const candidates = index.inline === undefined ? [] : [index.inline];
    for (const names of index.varies) {
      const variant = this.#variants.get(variantKey(key, names, valuesOf(request)));
      if (variant !== undefined && now < variant.until) candidates.push(variant.kept);
    }
    return newestOf(candidates.filter((kept) => isSelectedBy(kept, request) && mayBeUsed(kept)));
  }

  /** @param all what the memory of the gateway that stores has at the address, `kept` among it. */
  put(
    key: string,
    kept: Kept,
    { all, until, indexUntil }: { all: readonly Kept[]; until: number; indexUntil: number },
  ): void {
    const sets = all.map(({ names }) => names).filter((names) => names.length > 0);
    const varies = [...new Map(sets.map((names) => [names.join(), names])).values()];
    const inline = all.find((each) => each.names.length === 0);
    if (kept.names.length > 0) {
      this.#variants.set(variantKey(key, kept.names, kept.selecting), { kept, until });
    }
    this.#indexes.set(key, { inline, varies, until: indexUntil });
  }

  remove(key: string, kept?: Kept): void {
    const names = kept === undefined ? [] : kept.names;
    if (kept === undefined || names.length === 0) this.#indexes.delete(key);
    else this.#variants.delete(variantKey(key, names, kept.selecting));
  }
}
