import type { KeyFamily } from './family.ts';

/** Longest lifetime that every server takes (Dragonfly: 2^28-1 seconds). */
const MAX_TTL_MS = 268_435_455_000;

/** How long a value of the family is fresh: its own lifetime or the family's, whichever is shorter, spread. */
export function freshForMs(
  family: KeyFamily<unknown>,
  options: { ttlMs: number | undefined; defaultTtlMs: number; random: number },
): number {
  const longest = familyTtlMs(family, options.defaultTtlMs);
  const wanted = Math.min(options.ttlMs ?? longest, longest);
  // Only ever shorter: a lifetime that a caller or GitHub granted must not grow.
  return wanted * (1 - family.jitter * options.random);
}

/** Lifetime of a negative entry: half to one and a half times the family's. */
export function negativeForMs(family: KeyFamily<unknown>, random: number): number {
  return family.negativeMs * (0.5 + random);
}

export function familyTtlMs(family: KeyFamily<unknown>, defaultTtlMs: number): number {
  if (family.freshMs === 'default') return defaultTtlMs;
  return Math.min(family.freshMs ?? MAX_TTL_MS, MAX_TTL_MS);
}

/**
 * Whether to refresh before the end of freshness, with a probability that rises towards it (XFetch: Vattani,
 * Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede Prevention"). What loads slowly is refreshed
 * earlier; a hundredth of the lifetime is the least, so that a popular entry never ends while it is in use.
 */
export function isDueEarly(entry: {
  nowMs: number;
  writtenAtMs: number;
  freshUntilMs: number;
  loadMs: number;
  random: number;
}): boolean {
  const leastMs = (entry.freshUntilMs - entry.writtenAtMs) / 100;
  const spanMs = Math.max(entry.loadMs, leastMs);
  return entry.nowMs - spanMs * Math.log(Math.max(entry.random, 1e-9)) >= entry.freshUntilMs;
}
