import { request } from 'undici';
import { healthSchema, identitySchema } from '../contracts/control-api-answers.ts';
import { apiPaths, type Health } from '../contracts/control-api.ts';
import type { CliContext, CommonOptions } from './context.ts';
import { withClient } from './context.ts';
import { unreachable, unusableAnswer } from './control-api-errors.ts';
import { checkInstallation } from './check-installation.ts';
import { judgeClock } from './judge-clock.ts';
import { ok, runCheck, skipped, warning, wrong, type Finding } from './doctor.ts';
import { duration } from './format.ts';
import type { Connection } from './settings.ts';

const TIMEOUT_MS = 10_000;

/** Reachability, its parts, the clocks, the token. */
export async function checkControlApi(
  context: CliContext,
  options: CommonOptions,
  connection: Connection,
): Promise<Finding[]> {
  const reached = await runCheck('control API', 'Start it, or name another with --api-url.', () =>
    checkHealth(context, connection),
  );
  const isReached = reached.some(({ check, state }) => check === 'control API' && state === 'ok');
  return [...reached, ...(isReached ? await checkAsCaller(context, options, connection) : [])];
}

async function checkHealth(context: CliContext, { apiUrl, source }: Connection): Promise<Finding[]> {
  const { health, date, tookMs } = await askHealth(context, apiUrl);
  return [
    ok(
      'control API',
      `${apiUrl} (from ${source.apiUrl}) answers in ${duration(tookMs)}, version ${health.version}`,
    ),
    health.database === 'up'
      ? ok('database', 'up')
      : wrong('database', 'down', 'Start PostgreSQL, or set the DATABASE_URL of the control API right.'),
    health.store === 'up'
      ? ok('bucket', 'up')
      : wrong(
          'bucket',
          'the control API cannot use it',
          'Check BUCKET_URL, BUCKET_NAME and the key’s rights to read, write, list and delete.',
        ),
    checkCacheState(health),
    judgeClock(context, { check: 'clock', whose: 'the control API', date }),
  ];
}

async function askHealth(
  { signal, clock }: CliContext,
  apiUrl: string,
): Promise<{ health: Health; date: string; tookMs: number }> {
  const startedMs = clock.monotonicMs();
  try {
    const response = await request(`${apiUrl}${apiPaths.health()}`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    // 503 has the same body: it says which part is down.
    const parsed = healthSchema.safeParse(await response.body.json());
    if (!parsed.success) throw unusableAnswer(apiUrl, `it answered ${response.statusCode}`);
    return {
      health: parsed.data,
      date: String(response.headers['date'] ?? ''),
      tookMs: clock.monotonicMs() - startedMs,
    };
  } catch (error) {
    throw error instanceof SyntaxError
      ? unusableAnswer(apiUrl, 'the answer is not JSON')
      : unreachableUnlessKnown(apiUrl, error);
  }
}

function unreachableUnlessKnown(apiUrl: string, error: unknown): unknown {
  return error instanceof Error && error.name === 'CliError' ? error : unreachable(apiUrl, error);
}

function checkCacheState({ cache }: Health): Finding {
  const check = 'cache of the control API';
  switch (cache) {
    case 'up':
      return ok(check, 'up');
    case 'down':
      return wrong(
        check,
        'down: flips reach gateways only as their leases run out',
        'Start the cache server, or set CACHE_URL right.',
      );
    case 'memory':
      return warning(
        check,
        'inside the process: gateways elsewhere do not hear of flips',
        'Set CACHE_URL, the same everywhere.',
      );
    case 'disabled':
      return warning(check, 'switched off', 'Unset CACHE_ENABLED.');
    default:
      return cache satisfies never;
  }
}

/** The token, and what only an administrator's token lets see. */
async function checkAsCaller(
  context: CliContext,
  options: CommonOptions,
  { token, source }: Connection,
): Promise<Finding[]> {
  const fix = 'Run origan login with a valid token.';
  if (token === undefined) return [wrong('token', 'none is given', fix)];
  return runCheck('token', fix, async () => {
    const { user, isAdmin } = await withClient(context, options, (client) =>
      client.call({ method: 'GET', path: apiPaths.whoami(), answer: identitySchema, signal: context.signal }),
    );
    const known = ok('token', `${user.name}${isAdmin ? ', administrator' : ''} (from ${source.token})`);
    if (!isAdmin) return [known, skipped('installation', 'needs the token of an administrator')];
    const isCacheKnown = (context.env['CACHE_URL'] ?? '') !== '';
    return [known, ...(await checkInstallation(context, options, { isCacheKnown }))];
  });
}
