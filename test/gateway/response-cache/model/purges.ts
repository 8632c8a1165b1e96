import { TAGS, type Request } from './generate.ts';
import { keyOf } from './matching.ts';
import type { Kept } from './rules.ts';

/** How often each tag was purged, and what that makes of what was kept before. */
export class Purges {
  readonly #counts = new Map<string, { hard: number; soft: number }>();

  purge(name: string, mode: 'soft' | 'hard'): void {
    const before = this.#of(name);
    this.#counts.set(name, { ...before, [mode]: before[mode] + 1 });
  }

  withPurges(kept: Omit<Kept, 'purges'>, request: Request): Kept {
    const tags = (kept.fields.tags ?? [])
      .filter((tag) => TAGS.includes(tag))
      .map((tag) => `${request.site} ${tag}`);
    const names = [...tags, `url ${keyOf(request)}`];
    return { ...kept, purges: new Map(names.map((name) => [name, { ...this.#of(name) }])) };
  }

  stateOf(kept: Kept): 'good' | 'soft' | 'gone' {
    let state: 'good' | 'soft' = 'good';
    for (const [name, then] of kept.purges) {
      const now = this.#of(name);
      if (now.hard !== then.hard) return 'gone';
      if (now.soft !== then.soft) state = 'soft';
    }
    return state;
  }

  #of(name: string): { hard: number; soft: number } {
    return this.#counts.get(name) ?? { hard: 0, soft: 0 };
  }
}
