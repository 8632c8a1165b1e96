import { setTimeout as sleep } from 'node:timers/promises';
import { ALL_PROTECTIONS, type Protections } from '../../cache/protections.ts';
import { CutOff } from './cut-off.ts';
import { FAULTS, PROVOKING_FAULTS } from './faults.ts';
import type { HammeredGateway } from './gateways.ts';
import { Oracle, sharedNowMs, type Violation } from './oracle.ts';
import { buildStage, type Topology } from './stage.ts';

/** Between two faults; connections to a cluster take longer to come back. */
const REST_MS: Readonly<Record<Topology, number>> = { single: 1500, cluster: 3000 };

const MIN_KNOWN = 1500;
const WARM_UP_MS = 20_000;

export type HammerOptions = {
  /** `cluster`: three primaries, one of which dies in the middle. Default single. */
  topology?: Topology;
  protections?: Partial<Protections>;
  /** Ends after so many observations and one round of faults, or at the first violation if asked to. */
  minObservations: number;
  maxDurationMs: number;
  isStoppedByViolation?: boolean;
  /** Longest pause between two deploys of one project; default 300. */
  flipPauseMs?: number;
  /** Told what happens. */
  onEvent?: (text: string) => void;
};

export type HammerReport = {
  observations: number;
  flips: number;
  violations: readonly Violation[];
  failures: readonly string[];
  absences: number;
  marked: number;
  markedOlder: number;
  /** Those of them that no wire was cut for: the gateway heard neither of the cache nor of the control API in time. */
  lateOlder: number;
  deploys: number;
  /** Deploys that were answered before every gateway had acknowledged, as when the cache was down. */
  incomplete: number;
  /** Deploys that were not answered at all: the control API was killed under them. */
  unanswered: number;
  /** Errors that the control API answered: there must be none. */
  refusals: readonly string[];
  /** Domains moved, and those of them that were acknowledged. */
  movesPerSecond: number;
  flipsPerSecond: number;
  faults: number;
  durationMs: number;
};

/**
 * Three gateway processes answer without pause which build a host shows, while a control API process flips the hosts
 * dozens of times a second and the cache, the bus and the network fail around them. An oracle judges every answer.
 */
export async function runHammer(options: HammerOptions): Promise<HammerReport> {
  const topology = options.topology ?? 'single';
  const cutOff = new CutOff();
  const oracle = new Oracle((gateway, askedAtMs) => cutOff.covers(gateway, askedAtMs));
  const { protections: off } = options;
  const protections = off === undefined ? undefined : { ...ALL_PROTECTIONS, ...off };
  const pauseMs = options.flipPauseMs ?? 300;
  const stage = await buildStage({ topology, protections, cutOff, oracle, pauseMs });
  const flipsBefore = oracle.flips;
  const beganAtMs = performance.now();
  const isOver = (): boolean => {
    if (performance.now() - beganAtMs > options.maxDurationMs) return true;
    return options.isStoppedByViolation === true && oracle.violations.some(isUnmarked);
  };
  const { deployer } = stage;
  deployer.start();
  // A host that a gateway was never asked for is not known to it.
  await untilOver(() => isOver() || oracle.observations >= MIN_KNOWN, WARM_UP_MS);
  const rounds = protections === undefined ? FAULTS[topology] : PROVOKING_FAULTS;
  let faults = 0;
  while (!isOver() && (faults < rounds.length || oracle.observations < options.minObservations)) {
    const fault = rounds[faults % rounds.length];
    options.onEvent?.(`${oracle.observations} observations, ${oracle.flips} flips; now: ${fault?.name}`);
    oracle.during = fault?.name ?? '';
    await exceptingCutOff(stage.scene.gateways, oracle, async () => {
      await fault?.run(stage.scene);
      await untilOver(isOver, REST_MS[topology]);
    });
    faults += 1;
  }
  await deployer.stop();
  const durationMs = performance.now() - beganAtMs;
  await stage.close();
  return {
    observations: oracle.observations,
    flips: oracle.flips,
    violations: oracle.violations,
    failures: oracle.failures,
    absences: oracle.absences,
    marked: oracle.marked,
    markedOlder: oracle.markedOlder,
    lateOlder: oracle.lateOlder,
    deploys: deployer.deploys,
    incomplete: deployer.incomplete,
    unanswered: deployer.unanswered,
    refusals: deployer.refusals,
    movesPerSecond: (deployer.moves / durationMs) * 1000,
    flipsPerSecond: ((oracle.flips - flipsBefore) / durationMs) * 1000,
    faults,
    durationMs,
  };
}

/**
 * A gateway that, by its own count, got no answer of the cache *and* none of the control API while something was done was
 * cut off from both: its marked answers of that time are excepted. On a machine with time for all that is only where
 * wires are cut or the control API is dead; on one that is too busy, answers come too late for their deadlines.
 */
async function exceptingCutOff(
  gateways: readonly HammeredGateway[],
  oracle: Oracle,
  act: () => Promise<void>,
): Promise<void> {
  const fromMs = sharedNowMs();
  const before = await Promise.all(gateways.map((gateway) => gateway.failures()));
  await act();
  const after = await Promise.all(gateways.map((gateway) => gateway.failures()));
  for (const [index, { ofCache, ofControlApi }] of after.entries()) {
    const past = before[index] ?? { ofCache, ofControlApi };
    const wasCutOff = ofCache > past.ofCache && ofControlApi > past.ofControlApi;
    if (wasCutOff) oracle.except(index, fromMs, sharedNowMs());
  }
}

/** An older build that does not even say that it may be one: no cut, and no busy machine, excuses that. */
export function isUnmarked({ isLastKnownGood }: Violation): boolean {
  return !isLastKnownGood;
}

async function untilOver(isOver: () => boolean, limitMs: number): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (performance.now() < endMs && !isOver()) await sleep(20);
}
