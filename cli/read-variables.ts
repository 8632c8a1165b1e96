import { CliError, EXIT, listProblems } from './cli-error.ts';
import { readTextIfPresent } from './site-config.ts';

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,255}$/;

// The one name that JavaScript's objects keep for themselves: it would be lost on the way, without a word.
const isName = (text: string): boolean => NAME.test(text) && text !== '__proto__';

/**
 * Environment variables of `--env-file` and `--env KEY=VALUE`, the latter win. Messages name keys and lines,
 * never values.
 *
 * @throws CliError
 */
export async function readVariables(
  pairs: readonly string[],
  files: readonly string[],
): Promise<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const file of files) Object.assign(variables, await readVariableFile(file));
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    const name = pair.slice(0, Math.max(equals, 0));
    if (!isName(name)) {
      throw new CliError(
        'BAD_VARIABLE',
        'A variable must be given as NAME=value, the name of letters, digits and _.',
        {
          exitCode: EXIT.usage,
        },
      );
    }
    variables[name] = pair.slice(equals + 1);
  }
  return variables;
}

async function readVariableFile(path: string): Promise<Record<string, string>> {
  const text = await readTextIfPresent(path);
  if (text === undefined) {
    throw new CliError('NO_SUCH_FILE', `${path} does not exist.`, { exitCode: EXIT.usage });
  }
  const parsed = parseVariables(text);
  if (parsed.problems.length === 0) return parsed.variables;
  throw new CliError('BAD_VARIABLE', `${path} is not right:\n${listProblems(parsed.problems)}`, {
    exitCode: EXIT.usage,
  });
}

const ASSIGNMENT =
  /^\s*(?:export\s+)?([^=\s]+)\s*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\r\n]*?))[ \t]*(?:\s#.*)?$/s;

/**
 * The dotenv format: `NAME=value` lines, `#` comments, single quotes as they are, double quotes with `\n` and the
 * like, both over several lines.
 */
export function parseVariables(text: string): { variables: Record<string, string>; problems: string[] } {
  const variables: Record<string, string> = {};
  const problems: string[] = [];
  for (const { line, number } of logicalLines(text)) {
    const match = ASSIGNMENT.exec(line);
    const name = match?.[1] ?? '';
    if (!isName(name)) problems.push(`line ${number}: must be NAME=value`);
    else variables[name] = match?.[3] ?? unescape(match?.[2]) ?? match?.[4] ?? '';
  }
  return { variables, problems };
}

/** Lines that say something; one whose quote is not closed goes on in the next. */
function logicalLines(text: string): { line: string; number: number }[] {
  const result: { line: string; number: number }[] = [];
  let open: { line: string; number: number } | undefined;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    if (open === undefined && /^\s*(?:#|$)/.test(raw)) continue;
    const current =
      open === undefined ? { line: raw, number: index + 1 } : { ...open, line: `${open.line}\n${raw}` };
    open = hasOpenQuote(current.line) ? current : undefined;
    if (open === undefined) result.push(current);
  }
  return open === undefined ? result : [...result, open];
}

function hasOpenQuote(line: string): boolean {
  const value = line.slice(line.indexOf('=') + 1).trimStart();
  if (value.startsWith("'")) return !value.slice(1).includes("'");
  return value.startsWith('"') && !/^"(?:[^"\\]|\\.)*"/s.test(value);
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

function unescape(text: string | undefined): string | undefined {
  return text?.replaceAll(/\\(.)/gs, (_, character: string) => ESCAPES[character] ?? character);
}
