// A call leaves some kilobytes behind that only a full collection frees, and most of them lie outside the heap, where the
// engine does not see that it is time for one: without this a busy function's process would run into its memory limit
// every twenty thousand calls.
const CALLS_BETWEEN = 1000;

const collect = globalThis.gc;
// Not for functions: there is nothing that they could do better with it.
Reflect.deleteProperty(globalThis, 'gc');
let calls = 0;

/** To be called once a call. */
export function countCall() {
  calls += 1;
  if (calls % CALLS_BETWEEN === 0) collect?.();
}
