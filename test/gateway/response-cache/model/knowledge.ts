import type { Request } from './generate.ts';
import { isAlone, keyOf, variantKey } from './matching.ts';
import { governing, isMeantForAll, type Kept, type Profile } from './rules.ts';
import { isOwn, plainOf, sorted, WHOLE, type Asked, type Known } from './ways.ts';

const HIT_FOR_MISS = 120;

/** What one gateway knows of addresses beside what it keeps: which headers count, and what was for one client alone. */
export class Knowledge {
  readonly #known = new Map<string, Known>();
  readonly #markedUntil = new Map<string, number>();

  get(key: string): Known | undefined {
    return this.#known.get(key);
  }

  learn(key: string, { names, isForAuthorized }: Known): void {
    const before = this.#known.get(key)?.names ?? [];
    this.#known.set(key, { names: sorted([...before, ...names]), isForAuthorized });
  }

  /** How the function is asked: for everybody where it is known what counts and worth a try, else for this client. */
  askedFor(
    request: Request,
    found: Kept | undefined,
    { profile, now }: { profile: Profile; now: number },
  ): Asked {
    if (profile === 'rfc') return { ...request, way: { kind: 'trusting' } };
    const own: Asked = { ...request, way: { kind: 'personal' } };
    const known = this.#known.get(keyOf(request));
    if (known === undefined && found === undefined) return own;
    const isForAuthorized = found === undefined ? known?.isForAuthorized : isMeant(found);
    if (request.directives.noStore === true || (request.isAuthorized && isForAuthorized !== true)) return own;
    if (request.method === 'HEAD' && request.ifNoneMatch !== undefined) return own;
    const foundNames = (found?.names ?? []).filter((name) => name !== WHOLE);
    const plain = plainOf(request, sorted([...(known?.names ?? []), ...foundNames]));
    const isUnlikely = found === undefined && this.isMarked(keyOf(request), now);
    return isUnlikely || this.isMarked(plainKey(plain), now) ? own : plain;
  }

  mark(key: string, now: number): void {
    this.#markedUntil.set(key, now + HIT_FOR_MISS);
  }

  markPlain(asked: Asked, now: number): void {
    this.mark(keyOf(asked), now);
    this.mark(plainKey(asked), now);
  }

  clear(key: string): void {
    this.#markedUntil.delete(key);
  }

  isMarked(key: string, now: number): boolean {
    return (this.#markedUntil.get(key) ?? 0) > now;
  }
}

export function isMeant({ fields }: Kept): boolean {
  return isMeantForAll(governing(fields).directives);
}

/** Whether a status says something of the next answer, too. */
export function isLasting(status: number): boolean {
  return status < 500 && status !== 304 && status !== 206;
}

/** Whether the refusal to keep has nothing to do with this one request. */
export function isRefusedForAll(request: Request, kept: Kept): boolean {
  return request.directives.noStore !== true && (!request.isAuthorized || isMeant(kept));
}

/** Whether what comes back may change or replace what is kept. */
export function mayTouch(asked: Asked, kept: Kept): boolean {
  if (asked.way.kind === 'trusting') return !isAlone(asked, kept);
  return asked.way.kind === 'plain' && !isOwn(kept);
}

/** What everybody with the same values of the headers that count is asked for. */
function plainKey({ way, selecting, ...asked }: Asked): string {
  const names = way.kind === 'plain' ? way.names : [];
  return `plain ${variantKey(keyOf({ selecting, ...asked }), names, selecting)}`;
}
