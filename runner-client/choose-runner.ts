/** How much more than its share of the calls a runner may carry before calls go to the next one. */
const LOAD_FACTOR = 1.25;
/** Below this many calls a runner is never too busy: little traffic stays where its isolates are warm. */
const FREE_CALLS = 16;

/** What a choice needs to know about a runner. */
export type Candidate = {
  /** Distinct and stable over restarts: the base URL. */
  readonly name: string;
  /** Calls under way. */
  readonly calls: number;
  /** Whether its breaker lets a call through. */
  readonly isPassable: boolean;
};

/**
 * The runner for a deployment: rendezvous hashing (each deployment has an order of preference of its own, and a runner
 * that comes or goes moves only the deployments it is first for), with bounded load: a runner that carries more than
 * 1.25 times its share is passed over. Undefined when no runner may be called. Pure.
 */
export function chooseRunner<Runner extends Candidate>(
  runners: readonly Runner[],
  deploymentId: string,
  excluded: ReadonlySet<Runner>,
): Runner | undefined {
  const usable = runners.filter((runner) => runner.isPassable && !excluded.has(runner));
  if (usable.length <= 1) return usable[0];
  const calls = usable.reduce((sum, runner) => sum + runner.calls, 1);
  const bound = Math.max(FREE_CALLS, Math.ceil((LOAD_FACTOR * calls) / usable.length));
  const preferred = rankRunners(usable, deploymentId);
  return preferred.find((runner) => runner.calls < bound) ?? preferred[0];
}

/** The runners in a deployment's order of preference. */
export function rankRunners<Runner extends { readonly name: string }>(
  runners: readonly Runner[],
  deploymentId: string,
): Runner[] {
  const key = hash(deploymentId);
  const score = (runner: Runner): number => mix(hash(runner.name) ^ key);
  return runners.toSorted((a, b) => score(b) - score(a) || (a.name < b.name ? -1 : 1));
}

/** FNV-1a, 32 bits: fast, and `mix` spreads what it leaves close together. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return mix(value);
}

/** The finalizer of MurmurHash3. */
function mix(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
