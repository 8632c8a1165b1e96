import { Command } from 'commander';
import { identitySchema } from '../../contracts/control-api-answers.ts';
import { apiPaths, type Identity } from '../../contracts/control-api.ts';
import { CliError, EXIT } from '../cli-error.ts';
import { printResult, withClient, type CliContext, type CommonOptions } from '../context.ts';
import type { ControlApiClient } from '../control-api-client.ts';
import { readSettings, resolveConnection, writeSettings } from '../settings.ts';

export function loginCommand(context: CliContext): Command {
  return new Command('login')
    .description('keep a token for an installation; read from --token, ORIGAN_TOKEN or standard input')
    .action(async (_, command: Command) => login(context, command.optsWithGlobals<CommonOptions>()));
}

export function logoutCommand(context: CliContext): Command {
  return new Command('logout')
    .description('forget the token of an installation')
    .action(async (_, command: Command) => logout(context, command.optsWithGlobals<CommonOptions>()));
}

export function whoamiCommand(context: CliContext): Command {
  return new Command('whoami').description('who the token belongs to').action(async (_, command: Command) => {
    const options = command.optsWithGlobals<CommonOptions>();
    const identity = await withClient(context, options, (client) => whoami(context, client));
    printResult(context, options, identity, () => describe(identity));
  });
}

async function login(context: CliContext, options: CommonOptions): Promise<void> {
  const given = {
    ...options,
    token: options.token ?? context.env['ORIGAN_TOKEN'] ?? (await readToken(context)),
  };
  const { apiUrl, token } = await resolveConnection(given, context.env, context.cwd);
  if (token === undefined || token === '') throw noToken();
  const identity = await withClient(context, given, (client) => whoami(context, client));
  const settings = await readSettings(context.env);
  const path = await writeSettings(context.env, { apiUrl, tokens: { ...settings.tokens, [apiUrl]: token } });
  printResult(
    context,
    options,
    { apiUrl, ...identity },
    () => `${describe(identity)}The token for ${apiUrl} is kept in ${path}.\n`,
  );
}

async function readToken({ readInput }: CliContext): Promise<string | undefined> {
  const input = (await readInput())?.trim();
  return input === '' ? undefined : input;
}

function noToken(): CliError {
  return new CliError('NO_TOKEN', 'No token is given.', {
    exitCode: EXIT.usage,
    hint: 'Pipe it in: origan login < token.txt. The control API of npm start keeps its own in .origan/control-api-token.',
  });
}

async function logout(context: CliContext, options: CommonOptions): Promise<void> {
  const { apiUrl } = await resolveConnection(options, context.env, context.cwd);
  const { tokens, ...settings } = await readSettings(context.env);
  const { [apiUrl]: dropped, ...rest } = tokens;
  await writeSettings(context.env, { ...settings, tokens: rest });
  const wasKept = dropped !== undefined;
  printResult(context, options, { apiUrl, wasKept }, () =>
    wasKept ? `The token for ${apiUrl} is forgotten.\n` : `No token was kept for ${apiUrl}.\n`,
  );
}

function whoami({ signal }: CliContext, client: ControlApiClient): Promise<Identity> {
  return client.call({ method: 'GET', path: apiPaths.whoami(), answer: identitySchema, signal });
}

function describe({ user, organizations, isAdmin }: Identity): string {
  const memberships = organizations.map(({ name, role }) => `${name} (${role})`).join(', ');
  const rights = isAdmin ? ', administrator of the installation' : '';
  return `You are ${user.name}${rights}${memberships === '' ? '' : `; organizations: ${memberships}`}.\n`;
}
