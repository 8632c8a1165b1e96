import type { Request } from './generate.ts';

/** How the function is asked on behalf of a request, and so who may have what it answers. */
export type Way = { kind: 'trusting' } | { kind: 'personal' } | { kind: 'plain'; names: readonly string[] };

/** A request as the function gets it. */
export type Asked = Request & { way: Way };

/** What is known of an address whose responses may be kept. */
export type Known = { names: readonly string[]; isForAuthorized: boolean };

/** The name under which a request as a whole selects. */
export const WHOLE = 'REQUEST';

/** With nothing left of the client but the headers that count. */
export function plainOf(request: Request, names: readonly string[]): Asked {
  const { ifNoneMatch: _tag, range: _range, ifRange: _ifRange, ...rest } = request;
  const selecting = Object.fromEntries(
    Object.entries(request.selecting).filter(([name]) => names.includes(name)),
  );
  return { ...rest, selecting, isAuthorized: false, way: { kind: 'plain', names } };
}

/** Headers of the request, and all of them as one. */
export function valuesOf({ selecting, isAuthorized }: Request): Readonly<Record<string, string>> {
  return { ...selecting, [WHOLE]: JSON.stringify([selecting, isAuthorized]) };
}

/** What selects a response that varies on this and was asked for in that way. */
export function namesFor({ way }: Asked, vary: readonly string[] | '*' | undefined): readonly string[] {
  const named = vary === '*' || vary === undefined ? [] : vary;
  if (way.kind === 'trusting') return named;
  return sorted([...named, ...(way.kind === 'personal' ? [WHOLE] : way.names)]);
}

export function sorted(names: readonly string[]): readonly string[] {
  return [...new Set(names)].toSorted();
}

export function isOwn({ names }: { names: readonly string[] }): boolean {
  return names.includes(WHOLE);
}

/** Whether the request says something to caches, which the function hears too. */
export function speaks({ directives, ifNoneMatch, range, ifRange }: Request): boolean {
  const isConditional = ifNoneMatch !== undefined || range !== undefined || ifRange !== undefined;
  return isConditional || Object.keys(directives).length > 0;
}
