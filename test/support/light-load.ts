import { setTimeout as pause } from 'node:timers/promises';
import { visit, type Visit } from './visit.ts';
import { waitUntil } from './wait-until.ts';

export type LightLoad = {
  /** Resolves when so many more requests have been answered or failed. */
  more(count: number): Promise<void>;
  /** Ends it and answers every request that was not answered as hoped, as `path: what happened`. */
  end(): Promise<string[]>;
  /** Forgets what was noted so far, and answers it; what is under way at this moment will not be noted either. */
  forget(): string[];
};

export type LightLoadOptions = {
  port: number;
  host: string;
  paths: readonly string[];
  isGood: (answer: Visit, path: string) => boolean;
};

const CLIENTS = 3;
const PAUSE_MS = 10;
// Bounded, whatever the test does.
const MAX_REQUESTS = 20_000;

/** A few clients that ask for the paths in turn, one request at a time each, until `end`. */
export function startLightLoad({ port, host, paths, isGood }: LightLoadOptions): LightLoad {
  const state = { count: 0, isOver: false };
  let bad: string[] = [];
  const ask = async (path: string): Promise<void> => {
    const noted = bad;
    try {
      const answer = await visit(port, host, path);
      if (!isGood(answer, path)) noted.push(`${path}: ${answer.status} ${answer.text.slice(0, 80)}`);
    } catch (error) {
      noted.push(`${path}: ${String(error)}`);
    }
  };
  const client = async (): Promise<void> => {
    while (!state.isOver && state.count < MAX_REQUESTS) {
      state.count += 1;
      await ask(paths[state.count % paths.length] ?? '/');
      await pause(PAUSE_MS);
    }
  };
  const clients = Array.from({ length: CLIENTS }, client);
  return {
    more: async (wanted) => {
      const goal = Math.min(state.count + wanted, MAX_REQUESTS);
      await waitUntil(() => state.isOver || state.count >= goal);
    },
    forget: () => {
      const noted = bad;
      bad = [];
      return noted;
    },
    end: async () => {
      state.isOver = true;
      await Promise.all(clients);
      return bad;
    },
  };
}
