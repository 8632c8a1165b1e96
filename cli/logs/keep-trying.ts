import { setTimeout as sleep } from 'node:timers/promises';
import type { CliContext } from '../context.ts';
import { mayPass } from '../control-api-client.ts';
import { messageOf } from '../../core/errors.ts';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;

/** Repeats what fails for as long as that may pass: for those who follow something until they are stopped. */
export type KeepTrying = <Answer>(attempt: () => Promise<Answer>) => Promise<Answer>;

/** What it has to say goes to the messages: once when the connection is lost, and once when it is back. */
export function createKeepTrying({ terminal, signal }: CliContext): KeepTrying {
  const state = { hasWorked: false, isLost: false };
  return async (attempt) => {
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2)) {
      try {
        const answer = await attempt();
        if (state.isLost) terminal.err('Connected again.\n');
        state.hasWorked = true;
        state.isLost = false;
        return answer;
      } catch (error) {
        // What never worked may be a wrong address: the user has to know.
        if (signal.aborted || !state.hasWorked || !mayPass(error)) throw error;
        if (!state.isLost) terminal.err(`${messageOf(error)} Trying again until it works.\n`);
        state.isLost = true;
        await sleep(waitMs, undefined, { signal });
      }
    }
  };
}
