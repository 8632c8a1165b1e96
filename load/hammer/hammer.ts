import { setTimeout as sleep } from 'node:timers/promises';
import type { Cache } from '../../cache/cache.ts';
import { keys } from '../../cache/keys.ts';
import { ALL_PROTECTIONS, type Protections } from '../../cache/protections.ts';
import { CutOff } from './cut-off.ts';
import { FAULTS } from './faults.ts';
import { Oracle, sharedNowMs, type Violation } from './oracle.ts';
import { buildStage, HOSTS, type Stage, type Topology } from './stage.ts';

export type HammerOptions = {
  /** `cluster`: three primaries, one of which dies in the middle. Default single. */
  topology?: Topology;
  protections?: Partial<Protections>;
  /** Ends after so many observations and one round of faults, or at the first violation if asked to. */
  minObservations: number;
  maxDurationMs: number;
  isStoppedByViolation?: boolean;
  /** Longest pause between two flips of one host; default 300. */
  flipPauseMs?: number;
  /** Told what happens. */
  onEvent?: (text: string) => void;
};

export type HammerReport = {
  observations: number;
  flips: number;
  violations: readonly Violation[];
  failures: number;
  absences: number;
  marked: number;
  markedOlder: number;
  controlApiLookups: number;
  faults: number;
  durationMs: number;
};

/**
 * Three gateway processes answer without pause which build a host shows, while a control API flips the hosts dozens
 * of times a second and the cache, the bus and the network fail around them. An oracle judges every answer.
 */
export async function runHammer(options: HammerOptions): Promise<HammerReport> {
  const startedAtMs = performance.now();
  const topology = options.topology ?? 'single';
  const cutOff = new CutOff();
  const oracle = new Oracle((gateway, askedAtMs) => cutOff.covers(gateway, askedAtMs));
  const { protections: off } = options;
  const protections = off === undefined ? undefined : { ...ALL_PROTECTIONS, ...off };
  const stage = await buildStage({ topology, protections, cutOff }, oracle);
  const isOver = (): boolean => {
    if (performance.now() - startedAtMs > options.maxDurationMs) return true;
    return options.isStoppedByViolation === true && oracle.violations.length > 0;
  };
  const flips = startFlipping(stage, oracle, options.flipPauseMs ?? 300);
  const rounds = FAULTS[topology];
  let faults = 0;
  while (!isOver() && (faults < rounds.length || oracle.observations < options.minObservations)) {
    const fault = rounds[faults % rounds.length];
    options.onEvent?.(`${oracle.observations} observations, ${oracle.flips} flips; now: ${fault?.name}`);
    await fault?.run(stage.scene);
    faults += 1;
    await untilOver(isOver, 1500);
  }
  await flips.stop();
  await stage.close();
  return {
    observations: oracle.observations,
    flips: oracle.flips,
    violations: oracle.violations,
    failures: oracle.failures,
    absences: oracle.absences,
    marked: oracle.marked,
    markedOlder: oracle.markedOlder,
    controlApiLookups: stage.scene.controlApi.lookups,
    faults,
    durationMs: performance.now() - startedAtMs,
  };
}

function startFlipping(stage: Stage, oracle: Oracle, pauseMs: number): { stop(): Promise<unknown> } {
  let isFlipping = true;
  const run = { stage, oracle, pauseMs, isFlipping: () => isFlipping };
  const flipping = Array.from({ length: HOSTS }, (_, host) => flipHost(run, host));
  return {
    stop: () => {
      isFlipping = false;
      return Promise.all(flipping);
    },
  };
}

type Flipping = { stage: Stage; oracle: Oracle; pauseMs: number; isFlipping: () => boolean };

/** Flips one host again and again: commit, write (most times), announce until every gateway has it, acknowledge. */
async function flipHost({ stage, oracle, pauseMs, isFlipping }: Flipping, host: number): Promise<void> {
  const { scene, writer } = stage;
  const key = keys.domain(`host-${host}.example`);
  while (isFlipping()) {
    await sleep(Math.random() * pauseMs);
    const rev = await scene.controlApi.commit(host);
    // Sometimes the write is missing, as when it fails: then the gateways' refills have to bring the new revision.
    if (Math.random() < 0.7) await writer.set(key, scene.controlApi.read(host), { rev });
    if (await announce(writer, host, rev, isFlipping)) oracle.acknowledge(host, rev, sharedNowMs());
  }
}

async function announce(
  writer: Cache,
  host: number,
  rev: number,
  isFlipping: () => boolean,
): Promise<boolean> {
  const key = keys.domain(`host-${host}.example`);
  while (isFlipping()) {
    const { isComplete } = await writer.invalidate(key, { rev });
    if (isComplete) return true;
    await sleep(50);
  }
  return false;
}

async function untilOver(isOver: () => boolean, limitMs: number): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (performance.now() < endMs && !isOver()) await sleep(20);
}
