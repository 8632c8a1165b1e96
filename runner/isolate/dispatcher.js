// The one worker that every function process starts with. It runs no code of a deployment itself: it loads each
// function into an isolate of its own and hands it the requests. Two sockets lead here, both in a directory that
// only the supervisor can enter: `calls` for requests of clients, `control` for orders of the supervisor.
import consoleSource from 'console';
import entrySource from 'entry';

const FUNCTION_PATH = 'x-origan-function-path';
const OWN_ANSWER = 'x-origan-runner-error';
/** As in console.js. */
const REPORTED = '\u001e';
const COMPATIBILITY_DATE = '2026-01-01';
const COMPATIBILITY_FLAGS = ['nodejs_compat', 'nodejs_compat_populate_process_env'];

/** Functions by the value of their path header: what to load and under which name. */
const functions = new Map();

export default {
  async fetch(request, env) {
    const loaded = functions.get(request.headers.get(FUNCTION_PATH));
    if (loaded === undefined) return ownAnswer(env, { kind: 'not-loaded' });
    try {
      return await load(env, loaded).getEntrypoint().fetch(request);
    } catch (error) {
      return ownAnswer(env, describe(error));
    }
  },
};

export const control = {
  async fetch(request, env) {
    const key = request.headers.get(FUNCTION_PATH);
    switch (new URL(request.url).pathname) {
      case '/ping':
        return new Response();
      case '/load':
        functions.set(key, await request.json());
        return new Response();
      case '/start':
        return load(env, functions.get(key)).getEntrypoint('start').fetch(request);
      default:
        return new Response(null, { status: 404 });
    }
  },
};

/** What the function printed about it already, by `reportUncaught`, need not be said again. */
function describe(error) {
  const message = String(error?.message ?? error);
  const isReported = message.startsWith(REPORTED);
  return { kind: 'failed', message: isReported ? message.slice(REPORTED.length) : message, isReported };
}

/** The function's isolate: the one that runs under this name, or a new one. */
function load(env, { id, code, env: variables }) {
  return env.LOADER.get(id, () => ({
    compatibilityDate: COMPATIBILITY_DATE,
    compatibilityFlags: COMPATIBILITY_FLAGS,
    mainModule: 'entry.js',
    modules: { 'entry.js': entrySource, 'console.js': consoleSource, 'function.js': code },
    env: variables,
    globalOutbound: env.INTERNET,
  }));
}

// The token tells the supervisor that the answer is not the function's, which cannot know it.
function ownAnswer(env, what) {
  return new Response(JSON.stringify(what), { status: 500, headers: { [OWN_ANSWER]: env.TOKEN } });
}
