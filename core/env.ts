import { z } from 'zod';

/** Environment variables as a process sees them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Thrown with every wrong variable at once; `message` is fit to be printed as it is. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(program: string, problems: readonly string[]) {
    super(`${program}: wrong configuration\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/**
 * Parses the environment into a frozen object, reporting every wrong key at once. An empty string counts as
 * not set, since that is how shells and compose files say "nothing". Values never appear in the message:
 * they may be secrets.
 *
 * @throws ConfigError naming each wrong variable and what was expected.
 */
export function readEnvironment<Shape extends z.ZodObject>(
  program: string,
  shape: Shape,
  env: Environment,
): Readonly<z.output<Shape>> {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = shape.safeParse(given);
  if (parsed.success) return Object.freeze(parsed.data);
  throw new ConfigError(
    program,
    parsed.error.issues.map(
      (issue) => `${issue.path.join('.') || '(environment)'}: ${explain(issue, given)}`,
    ),
  );
}

function explain(issue: z.core.$ZodIssue, given: Record<string, unknown>): string {
  const isMissing = issue.code !== 'custom' && !(String(issue.path[0]) in given);
  return isMissing ? 'is required but not set' : issue.message;
}

/** Field parsers for `readEnvironment`: each accepts the text form and answers the typed value. */
export const field = {
  /** A whole number within bounds; `fallback` when not set. */
  int: (fallback: number, min = 0, max: number = Number.MAX_SAFE_INTEGER): z.ZodType<number> =>
    z
      .string()
      .optional()
      .transform((text, context) => {
        if (text === undefined) return fallback;
        const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
        if (value >= min && value <= max) return value;
        context.addIssue(`must be a whole number from ${min} to ${max}`);
        return z.NEVER;
      }),
  /** `true`/`false`, `1`/`0`, `yes`/`no`, `on`/`off` in any case. */
  bool: (fallback: boolean): z.ZodType<boolean> =>
    z
      .string()
      .optional()
      .transform((text, context) => {
        if (text === undefined) return fallback;
        if (/^(true|1|yes|on)$/i.test(text)) return true;
        if (/^(false|0|no|off)$/i.test(text)) return false;
        context.addIssue('must be true or false');
        return z.NEVER;
      }),
  /** An absolute http: or https: URL to which paths are appended; answered without a trailing slash. */
  httpUrl: (): z.ZodType<string> =>
    z.string().transform((text, context) => {
      // The URL parser alone is too kind: it trims white space and repairs `http:host`.
      const isPlain = /^https?:\/\/[^\s?#]+$/i.test(text) && URL.canParse(text);
      if (isPlain) return text.replace(/\/+$/, '');
      context.addIssue('must be an absolute http:// or https:// URL without query or fragment');
      return z.NEVER;
    }),
  /** Any text that is not empty. */
  text: (): z.ZodType<string> => z.string().min(1),
  /** A comma-separated list; empty when not set. */
  list: (): z.ZodType<readonly string[]> =>
    z
      .string()
      .optional()
      .transform((text) =>
        (text ?? '')
          .split(',')
          .map((item) => item.trim())
          .filter((item) => item !== ''),
      ),
} as const;
