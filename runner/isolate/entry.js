// The main module of every function's isolate: finds the handler and calls it. The function's module is imported
// within the first request, so that its top level may do what only a request may (timers, fetch, random values).
import { REPORTED, reportUncaught, watchBackground, withinRequest } from './console.js';

let handler;

async function findHandler() {
  const module = await import('./function.js');
  const { default: main, fetch: named } = module;
  if (typeof main?.fetch === 'function') return main.fetch.bind(main);
  if (typeof named === 'function') return named;
  if (typeof main === 'function') return main;
  throw new TypeError('the module exports neither default.fetch nor fetch nor a default function');
}

export default {
  fetch(request, env, context) {
    return withinRequest(request, env, async () => {
      try {
        handler ??= await findHandler();
        return await handler(request, env, watchBackground(context));
      } catch (error) {
        reportUncaught(error);
        throw new Error(`${REPORTED}${error?.message ?? error}`, { cause: error });
      }
    });
  },
};

/** Called by the supervisor to have the isolate before the first request: runs nothing of the function. */
export const start = { fetch: () => new Response() };
