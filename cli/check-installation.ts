import { diagnosisPath, diagnosisSchema, type BucketRight, type Diagnosis } from '../contracts/diagnosis.ts';
import { judgeCertificates } from './judge-certificates.ts';
import { RIGHTS_FIX } from './check-cache.ts';
import { withClient, type CliContext, type CommonOptions } from './context.ts';
import { ok, runCheck, skipped, warning, wrong, type Finding } from './doctor.ts';
import { count, duration } from './format.ts';
import { judgeAccess, judgeServer } from './judge-cache.ts';
import { judgeTls } from './judge-tls.ts';

const TIMEOUT_MS = 30_000;
const MAX_SKEW_MS = 2000;

/** The parts of the installation as the control API meets them; for its administrators. */
export function checkInstallation(
  context: CliContext,
  options: CommonOptions,
  { isCacheKnown }: { isCacheKnown: boolean },
): Promise<Finding[]> {
  return runCheck('installation', 'Look into the log of the control API.', async () => {
    const diagnosis = await withClient(context, options, (client) =>
      client.call({
        method: 'POST',
        path: diagnosisPath(),
        answer: diagnosisSchema,
        timeoutMs: TIMEOUT_MS,
        signal: context.signal,
      }),
    );
    return [
      ...judgeBucket(diagnosis.bucket),
      judgeMigrations(diagnosis.migrations),
      judgeDatabaseClock(diagnosis.database),
      ...judgeCache(diagnosis.cache, { isKnown: isCacheKnown, nowMs: context.clock.nowMs() }),
      judgeBus(diagnosis),
      ...judgeUntold(diagnosis.untold),
      judgeSealing(diagnosis.isEnvironmentSealed),
      ...judgeCertificates(diagnosis.certificates),
    ];
  });
}

const ACTIONS: Readonly<Record<BucketRight, string>> = {
  write: 's3:PutObject',
  read: 's3:GetObject',
  list: 's3:ListBucket',
  delete: 's3:DeleteObject',
};

function judgeBucket({ kind, problems }: Diagnosis['bucket']): Finding[] {
  if (problems.length === 0) return [ok('bucket rights', 'writes, reads, lists and deletes')];
  return problems.map(({ right, problem }) =>
    wrong(
      `bucket ${right}`,
      problem,
      kind === 's3'
        ? grant(right)
        : 'Give the user of the control API the directory of BUCKET_URL: chown -R USER DIRECTORY.',
    ),
  );
}

function grant(right: BucketRight): string {
  const garage = right === 'read' || right === 'list' ? '--read' : '--write';
  return `Allow the key of BUCKET_ACCESS_KEY ${ACTIONS[right]} on the bucket; with Garage: garage bucket allow ${garage} BUCKET --key KEY.`;
}

function judgeMigrations({ pending, problem }: Diagnosis['migrations']): Finding {
  const check = 'migrations';
  if (problem !== null) return wrong(check, problem, 'npm run control-api -- migrate status tells more.');
  return pending.length === 0
    ? ok(check, 'all applied')
    : wrong(
        check,
        `pending: ${pending.join(', ')}`,
        'npm run control-api -- migrate up, with the control API stopped; its start does the same.',
      );
}

function judgeDatabaseClock({ kind, skewMs, problem }: Diagnosis['database']): Finding {
  const check = 'database clock';
  if (skewMs === null)
    return wrong(check, problem ?? 'it does not answer', 'Start PostgreSQL, or set DATABASE_URL right.');
  return Math.abs(skewMs) <= MAX_SKEW_MS
    ? ok(check, `${kind} agrees with the control API`)
    : warning(
        check,
        `${duration(Math.abs(skewMs))} ${skewMs > 0 ? 'ahead of' : 'behind'} the control API's`,
        'Switch on time synchronisation on both machines (timedatectl set-ntp true).',
      );
}

function judgeCache(
  { state, server, access, tls, problem }: Diagnosis['cache'],
  { isKnown, nowMs }: { isKnown: boolean; nowMs: number },
): Finding[] {
  const transport = tls === null ? [] : judgeTls(tls, nowMs).map(asTheControlApi);
  if (state !== 'up') return transport;
  const rights =
    problem === null
      ? ok('rights of the control API in the cache', 'reads, writes, deletes and scripts are allowed')
      : wrong('rights of the control API in the cache', problem, RIGHTS_FIX);
  // What can be seen from here was said already.
  return isKnown
    ? [rights, ...transport.filter(({ state: found }) => found !== 'ok')]
    : [rights, ...transport, ...judgeServer(server), ...(access === null ? [] : judgeAccess(access))];
}

/** Its settings and its trust are others than those here. */
function asTheControlApi(finding: Finding): Finding {
  return { ...finding, check: `${finding.check} of the control API` };
}

function judgeBus({ bus, cache }: Diagnosis): Finding {
  const check = 'bus';
  if (cache.state === 'disabled')
    return skipped(check, 'the cache is switched off: gateways ask for every request');
  const { acknowledged, silent, isComplete, durationMs } = bus;
  if (!isComplete || silent.length > 0) {
    return wrong(
      check,
      silent.length === 0
        ? 'a message of the control API could not be sent'
        : `no answer of ${silent.join(', ')} to a message of the control API`,
      'Check that these gateways run and reach the cache server with the channels of their ACL user (&PREFIX:*).',
    );
  }
  return acknowledged.length === 0
    ? warning(
        check,
        'no gateway is on it',
        'Start one with the CACHE_URL and CACHE_KEY_PREFIX of the control API.',
      )
    : ok(check, `${count(acknowledged.length, 'gateway')} confirmed a message after ${duration(durationMs)}`);
}

function judgeUntold(untold: number | null): Finding[] {
  if (untold === null || untold === 0) return [];
  const fix = 'It is told again every two seconds: make the cache server reachable for the control API.';
  return [warning('changes', `${count(untold, 'change')} that the cache was not told of yet`, fix)];
}

function judgeSealing(isSealed: boolean): Finding {
  return isSealed
    ? ok('variables', 'sealed wherever they are kept')
    : warning(
        'variables',
        'kept in clear, which is for development',
        'Set ENVIRONMENT_KEY for the control API and the runner: openssl rand -base64 32.',
      );
}
