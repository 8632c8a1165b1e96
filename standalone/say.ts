import { messageOf } from '../core/errors.ts';

/** Prints one line. */
export type Say = (line: string) => void;

/** Runs one step of the start and says so: at once, since some take seconds, and again how long it took. */
export type Step = <Result>(what: string, run: () => Promise<Result>) => Promise<Result>;

export function stepReporter(say: Say): Step {
  return async (what, run) => {
    const startedAtMs = performance.now();
    say(`  ${what} ...`);
    try {
      const result = await run();
      say(`  ${what}: ${seconds(performance.now() - startedAtMs)}`);
      return result;
    } catch (error) {
      say(`  ${what}: failed (${messageOf(error)})`);
      throw error;
    }
  };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
