import { setTimeout as sleep } from 'node:timers/promises';
import type { FlipResult } from '../../contracts/control-api.ts';
import { Refusal, type HammeredControlApi } from './control-api.ts';
import { projectName, type HammeredHost } from './hosts.ts';
import { sharedNowMs, type Oracle } from './oracle.ts';

const PROJECTS = 20;
const DOMAINS_PER_PROJECT = 2;
const RETRY_MS = 100;

export type DeployerOptions = {
  api: HammeredControlApi;
  oracle: Oracle;
  /** Longest pause between two deploys of one project. */
  pauseMs: number;
};

/** Deploys one project after the other, all at the same time, and tells the oracle of what was acknowledged. */
export class Deployer {
  readonly hosts: HammeredHost[] = [];
  /** Flips that came back without every gateway's acknowledgement. */
  incomplete = 0;
  /** Deploys that the control API did not answer: it had been killed. */
  unanswered = 0;
  /** What it answered where it should not have failed. */
  readonly refusals: string[] = [];
  deploys = 0;
  /** Domains moved by them. */
  moves = 0;
  readonly #options: DeployerOptions;
  readonly #builds = Array.from({ length: PROJECTS }, () => 0);
  #working: Promise<unknown> = Promise.resolve();
  #isOver = false;

  constructor(options: DeployerOptions) {
    this.#options = options;
  }

  /** Makes the projects, each with a build on all of its domains. */
  async prepare(): Promise<void> {
    for (let project = 0; project < PROJECTS; project += 1) {
      const own = await this.#options.api.createProject(projectName(project));
      this.hosts.push(...[own, ...domainsOf(project)].map((name) => ({ name, project })));
      await this.#deploy(project);
    }
  }

  start(): void {
    this.#working = Promise.all(this.#builds.map((_build, project) => this.#deployForEver(project)));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#working;
  }

  async #deployForEver(project: number): Promise<void> {
    while (!this.#isOver) {
      await sleep(Math.random() * this.#options.pauseMs);
      try {
        await this.#deploy(project);
      } catch (error) {
        // Killed in the middle: nobody knows how far it came, so nothing counts as acknowledged.
        if (error instanceof Refusal) this.refusals.push(error.message);
        else this.unanswered += 1;
        await sleep(RETRY_MS);
      }
    }
  }

  async #deploy(project: number): Promise<void> {
    const build = (this.#builds[project] ?? 0) + 1;
    this.#builds[project] = build;
    const flip = await this.#options.api.deploy(projectName(project), String(build), domainsOf(project));
    this.deploys += 1;
    this.moves += 1 + DOMAINS_PER_PROJECT;
    if (flip.outcome === 'live' && flip.isComplete) this.#acknowledge(project, build, flip);
    else this.incomplete += 1;
  }

  #acknowledge(project: number, build: number, flip: FlipResult): void {
    const atMs = sharedNowMs();
    const flipped = new Set(flip.domains.map(({ host }) => host));
    for (const [index, host] of this.hosts.entries()) {
      if (host.project !== project) continue;
      if (!flipped.has(host.name)) throw new Error(`${host.name} was not flipped with its project`);
      this.#options.oracle.acknowledge(index, build, atMs);
    }
  }
}

function domainsOf(project: number): string[] {
  return Array.from({ length: DOMAINS_PER_PROJECT }, (_, index) => `www-${index}.project-${project}.example`);
}
