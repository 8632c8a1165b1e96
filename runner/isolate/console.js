// In every function's isolate before the function: makes `console` say which request a line belongs to, and reports what
// nobody catches. The mark before each line is for the supervisor, which takes it off; which deployment a line belongs
// to it knows by itself, so that a function which forges a mark misleads nobody but its own readers.
import { AsyncLocalStorage } from 'node:async_hooks';

const MARK = '\u001e';
/** In place of the last MARK where the first value is no text: what follows begins with a space of the formatting. */
const VALUE_MARK = '\u001f';
const REQUEST_ID = 'x-origan-request-id';
const SAFE_ID = /^[\w.:-]{1,128}$/;
/** More of one text is never kept, so that it need not be written either. */
const MAX_TEXT = 8192;

const requests = new AsyncLocalStorage();
let functionPath = '';

/** Before the message of an error that has been printed already. */
export const REPORTED = MARK;

/** Runs `work`; what it prints carries the id of the request. */
export function withinRequest(request, env, work) {
  if (functionPath === '') functionPath = encode(env.ORIGAN_FUNCTION_PATH);
  const id = request.headers.get(REQUEST_ID) ?? '';
  return requests.run(SAFE_ID.test(id) ? id : '', work);
}

/** Prints an error of which nobody else will say anything: only here is its stack known. */
export function reportUncaught(error) {
  console.error('Uncaught', error);
}

/** The context with a `waitUntil` whose failures are reported. */
export function watchBackground(context) {
  const waitUntil = context.waitUntil.bind(context);
  context.waitUntil = (work) => {
    const watched = Promise.resolve(work).catch((error) => {
      reportUncaught(error);
      throw error;
    });
    waitUntil(watched);
  };
  return context;
}

function encode(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/** Calls later what the function gave, and reports what it throws then. */
function watchTimers(name) {
  const original = globalThis[name];
  const watched = (callback, ...rest) =>
    original(typeof callback === 'function' ? reporting(callback) : callback, ...rest);
  // With the form that `util.promisify` takes.
  globalThis[name] = Object.defineProperties(watched, Object.getOwnPropertyDescriptors(original));
}

function reporting(callback) {
  return (...values) => {
    try {
      return callback(...values);
    } catch (error) {
      reportUncaught(error);
      throw error;
    }
  };
}

/** A console method that marks what it prints through the method `name` of the runtime. */
function marked(name) {
  const print = console[name].bind(console);
  return (...values) => {
    const mark = `${MARK}${requests.getStore() ?? ''}${MARK}${functionPath}`;
    const [first, ...rest] = values.map(shorten);
    // A first text may be a format (`%s`), so it has to stay the first value.
    if (values.length === 0) print(`${mark}${MARK}`);
    else if (typeof first === 'string') print(`${mark}${MARK}${first}`, ...rest);
    else print(`${mark}${VALUE_MARK}`, first, ...rest);
  };
}

// One character more than is kept: by it the supervisor sees that there was more.
function shorten(value) {
  return typeof value === 'string' && value.length > MAX_TEXT ? value.slice(0, MAX_TEXT + 1) : value;
}

function replaceMethods() {
  const [log, info, debug, warn, error] = ['log', 'info', 'debug', 'warn', 'error'].map(marked);
  Object.assign(console, {
    log,
    info,
    debug,
    warn,
    error,
    // The runtime keeps these for a debugger; here they print.
    dir: (value) => log(value),
    table: (value) => log(value),
    trace: (...values) =>
      debug('Trace:', ...values, `\n${new Error().stack?.split('\n').slice(2).join('\n')}`),
    assert: (isTrue, ...values) => {
      if (!isTrue) error('Assertion failed', ...values);
    },
  });
}

replaceMethods();
watchTimers('setTimeout');
watchTimers('setInterval');
addEventListener('unhandledrejection', (event) => reportUncaught(event.reason));
addEventListener('error', (event) => reportUncaught(event.error ?? event.message));
