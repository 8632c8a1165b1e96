import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { Environment } from '../core/env.ts';
import { parseJson } from '../core/parse-json.ts';
import { CliError, EXIT } from './cli-error.ts';

/** Where a control API listens unless it was told otherwise. */
export const DEFAULT_API_URL = 'http://127.0.0.1:7780';
const LOCAL_TOKEN = 'control-api-token';

/** What `origan login` keeps: a token for each installation, so that none is ever sent to another. */
export type Settings = {
  /** The installation used unless another one is named. */
  apiUrl?: string | undefined;
  tokens: Record<string, string>;
};

const settingsSchema: z.ZodType<Settings> = z.object({
  apiUrl: z.string().optional(),
  tokens: z.record(z.string(), z.string()).default({}),
});

/** `origan/config.json` below XDG_CONFIG_HOME, by default `~/.config`. */
export function settingsPath(env: Environment): string {
  const base = env['XDG_CONFIG_HOME'] ?? '';
  return join(base === '' ? join(env['HOME'] ?? homedir(), '.config') : base, 'origan', 'config.json');
}

export async function readSettings(env: Environment): Promise<Settings> {
  const path = settingsPath(env);
  const text = await readIfPresent(path);
  if (text === undefined) return { tokens: {} };
  const parsed = settingsSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new CliError('BAD_SETTINGS', `${path} cannot be understood.`, {
    exitCode: EXIT.usage,
    hint: 'Remove it and run origan login again.',
  });
}

/** Readable by this user only from its first byte on, and never half-written. */
export async function writeSettings(env: Environment, settings: Settings): Promise<string> {
  const path = settingsPath(env);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o600 });
  await chmod(draft, 0o600);
  await rename(draft, path);
  return path;
}

export type Connection = {
  apiUrl: string;
  token: string | undefined;
  /** Where each came from, for `origan doctor`. */
  source: { apiUrl: string; token: string };
};

export type ConnectionFlags = { apiUrl?: string | undefined; token?: string | undefined };

/** The installation to talk to: flags, then the environment, then what `origan login` kept, then this machine. */
export async function resolveConnection(
  flags: ConnectionFlags,
  env: Environment,
  cwd: string,
): Promise<Connection> {
  const settings = await readSettings(env);
  const [apiUrl, urlSource] = pick([
    [flags.apiUrl, '--api-url'],
    [env['ORIGAN_API_URL'], 'ORIGAN_API_URL'],
    [settings.apiUrl, settingsPath(env)],
  ]) ?? [DEFAULT_API_URL, 'the default'];
  const url = normalizeApiUrl(apiUrl, urlSource);
  const stateDirectory = env['ORIGAN_STATE_DIR'] ?? join(cwd, '.origan');
  const given = pick([
    [flags.token, '--token'],
    [env['ORIGAN_TOKEN'], 'ORIGAN_TOKEN'],
    [settings.tokens[url], settingsPath(env)],
  ]);
  // Read only where it is needed: it may be another user's, and not readable.
  const [token, tokenSource] = given ??
    pick([[await readLocalToken(url, stateDirectory), join(stateDirectory, LOCAL_TOKEN)]]) ?? [
      undefined,
      'nowhere',
    ];
  return { apiUrl: url, token, source: { apiUrl: urlSource, token: tokenSource } };
}

/** An address as it is a key of the settings. @throws CliError when it is none. */
export function normalizeApiUrl(text: string, source: string): string {
  const url = URL.parse(text);
  if (
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.username === '' &&
    url.search === '' &&
    url.hash === ''
  ) {
    return url.href.replace(/\/+$/, '').replace(/\/v1$/, '');
  }
  throw new CliError('BAD_API_URL', `${source}: the address of the control API must be an http(s) URL.`, {
    exitCode: EXIT.usage,
    hint: `For example ${DEFAULT_API_URL}.`,
  });
}

function pick(candidates: readonly (readonly [string | undefined, string])[]): [string, string] | undefined {
  for (const [value, source] of candidates) {
    if (value !== undefined && value !== '') return [value, source];
  }
  return undefined;
}

/** A control API on this machine leaves its administrator's token in its state directory. */
async function readLocalToken(apiUrl: string, stateDirectory: string): Promise<string | undefined> {
  if (!/^\[?(?:127\.\d+\.\d+\.\d+|localhost|::1)\]?$/.test(new URL(apiUrl).hostname)) return undefined;
  return (await readIfPresent(join(stateDirectory, LOCAL_TOKEN)))?.trim();
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CliError('UNREADABLE', `${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
