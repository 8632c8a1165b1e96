/** Counts calls under way, all and for each deployment, and says when there are too many. */
export class CallLimits {
  readonly #maxCalls: number;
  readonly #maxPerDeployment: number;
  readonly #perDeployment = new Map<string, number>();
  #calls = 0;

  constructor(maxCalls: number, maxPerDeployment: number) {
    this.#maxCalls = maxCalls;
    this.#maxPerDeployment = maxPerDeployment;
  }

  /** Takes a place and answers how to give it back, once however often it is called; undefined when there is none. */
  tryEnter(deploymentId: string): (() => void) | undefined {
    const own = this.#perDeployment.get(deploymentId) ?? 0;
    if (this.#calls >= this.#maxCalls || own >= this.#maxPerDeployment) return undefined;
    this.#calls += 1;
    this.#perDeployment.set(deploymentId, own + 1);
    let isHeld = true;
    return () => {
      if (isHeld) this.#leave(deploymentId);
      isHeld = false;
    };
  }

  #leave(deploymentId: string): void {
    this.#calls -= 1;
    const left = (this.#perDeployment.get(deploymentId) ?? 1) - 1;
    if (left === 0) this.#perDeployment.delete(deploymentId);
    else this.#perDeployment.set(deploymentId, left);
  }
}
