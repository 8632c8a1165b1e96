/** Exit codes of `origan`: part of its interface, documented in docs/cli.md. */
export const EXIT = {
  ok: 0,
  /** What was asked for could not be done. */
  failed: 1,
  /** A wrong argument, option or configuration file. */
  usage: 2,
  /** The control API did not answer. */
  unreachable: 3,
  /** No token, a wrong one, or one that does not allow this. */
  denied: 4,
  notFound: 5,
  /** Something else stands against it: a name that is taken, another deploy, a newer deployment. */
  conflict: 6,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/**
 * A failure that the user can do something about. `message` is printed as it is: one sentence, then, where there
 * is one, what to do (`hint`). It never holds the value of a secret.
 */
export class CliError extends Error {
  readonly exitCode: ExitCode;
  readonly hint: string | undefined;
  /** A word for scripts that read `--json`. */
  readonly code: string;
  /** The result that was printed says it all: only the exit code is left to be set. */
  readonly isReported: boolean;

  constructor(
    code: string,
    message: string,
    options: { exitCode?: ExitCode; hint?: string | undefined; isReported?: boolean; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'CliError';
    this.code = code;
    this.exitCode = options.exitCode ?? EXIT.failed;
    this.hint = options.hint;
    this.isReported = options.isReported ?? false;
  }
}

/** An error about many things at once: the first few, and how many more there are. */
export function listProblems(problems: readonly string[], shown = 10): string {
  const lines = problems.slice(0, shown).map((problem) => `  - ${problem}`);
  if (problems.length > shown) lines.push(`  … and ${problems.length - shown} more`);
  return lines.join('\n');
}
