import { EdgeError } from './errors.ts';

/**
 * Lets at most `max` calls run at once; one more fails at once with OVERLOADED, since waiting would only move the load
 * to later. For work that anybody can cause with names that he makes up.
 */
export function atMost(max: number): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let running = 0;
  return async (work) => {
    if (running >= max) throw new EdgeError('OVERLOADED');
    running += 1;
    try {
      return await work();
    } finally {
      running -= 1;
    }
  };
}
