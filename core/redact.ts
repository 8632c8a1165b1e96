const CENSOR = '[redacted]';
const MAX_DEPTH = 6;

// Whatever is called like this holds a secret, in any spelling: header, variable or field.
const SECRET_NAME =
  /authorization|cookie|password|passwd|secret|credential|token|(api|access|private|signing|sealing)[-_]?key|sealed|environment[-_]?variables/i;
const USER_INFO = /([a-z][a-z0-9+.-]*:\/\/)[^/?#\s@]*@/gi;

/**
 * The record as it may be logged: values under the name of a secret, and user and password of URLs, replaced.
 * Numbers and truth values stay whatever their name is (`tokens: 3` counts something). Costs a walk through the
 * record, so records of every request are kept flat or written by hand.
 */
export function redact(record: Record<string, unknown>): Record<string, unknown> {
  return redactObject(record, MAX_DEPTH);
}

function redactObject(record: object, depth: number): Record<string, unknown> {
  const entries = Object.entries(record);
  return Object.fromEntries(entries.map(([name, value]) => [name, redactEntry(name, value, depth)]));
}

function redactEntry(name: string, value: unknown, depth: number): unknown {
  const mayBeSecret = typeof value === 'string' || (typeof value === 'object' && value !== null);
  return mayBeSecret && SECRET_NAME.test(name) ? CENSOR : redactValue(value, depth);
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string')
    return value.includes('@') ? value.replace(USER_INFO, `$1${CENSOR}@`) : value;
  if (typeof value !== 'object' || value === null) return value;
  // Also ends records that contain themselves.
  if (depth === 0) return '[deeper]';
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth - 1));
  return isPlain(value) ? redactObject(value, depth - 1) : value;
}

/** Errors, dates and the like keep their own way to become text. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
