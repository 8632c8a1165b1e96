import { adminPaths, environmentInfoSchema, type ChangeEnvironment } from '../contracts/control-api-admin.ts';
import { begunDeploymentSchema, flipResultSchema, projectSchema } from '../contracts/control-api-answers.ts';
import {
  apiPaths,
  type BeginDeployment,
  type BegunDeployment,
  type CreateProject,
  type Deployment,
  type FlipResult,
  type Source,
} from '../contracts/control-api.ts';
import { trackNameSchema } from '../contracts/control-api-requests.ts';
import { systemClock, type Clock } from '../core/clock.ts';
import { buildSite, type BuiltSite } from './build-site.ts';
import type { ControlApiClient } from './control-api-client.ts';
import { CliError, EXIT } from './cli-error.ts';
import { ApiRefusalError } from './control-api-errors.ts';
import { afterGivingUp, giveUp, interruptedBefore } from './give-up.ts';
import { uploadObjects, type Uploaded, type UploadProgress } from './upload-objects.ts';

export type DeployOptions = {
  /** The built site, or its project; see docs/deploy.md. */
  directory: string;
  /** Name, ref or id of the project. */
  project: string;
  /** Hosts of the track, attached when the deployment goes live; a port is allowed. */
  domains?: readonly string[] | undefined;
  /** Default `production`. */
  track?: string | undefined;
  /** Folder of the functions; false: none; absent: by convention. */
  functions?: string | false | undefined;
  /** Variables set in the track's environment before the deployment begins. */
  environment?: Readonly<Record<string, string>> | undefined;
  source?: Source | undefined;
  /** Create the project when there is none of this name. */
  createProject?: boolean | undefined;
  /** Show it only at its preview address. */
  previewOnly?: boolean | undefined;
  signal?: AbortSignal | undefined;
  clock?: Clock | undefined;
};

/** What happens, as it happens: for progress and for logs. */
export type DeployEvent =
  | { kind: 'building'; directory: string }
  | { kind: 'built'; site: BuiltSite }
  | { kind: 'begun'; deployment: Deployment; warnings: string[] }
  | ({ kind: 'uploading' } & UploadProgress)
  | { kind: 'finishing' };

export type DeploySummary = {
  result: FlipResult;
  files: number;
  functions: number;
  bytes: number;
  uploaded: { objects: number; bytes: number };
  /** Files and functions whose content the control API had already. */
  unchanged: number;
  warnings: string[];
  durationMs: number;
};

const FINISH_TIMEOUT_MS = 10 * 60_000;

/**
 * Deploys a folder: builds it, begins a deployment, uploads the contents that are missing, finishes. Until the last
 * step nothing that is shown changes; after a failure the deployment is given up, and deploying again uploads only
 * what did not arrive.
 *
 * @throws CliError
 */
export async function deploySite(
  options: DeployOptions,
  client: ControlApiClient,
  report: (event: DeployEvent) => void,
): Promise<DeploySummary> {
  const clock = options.clock ?? systemClock;
  const startedMs = clock.monotonicMs();
  const run = await begin(options, client, report).catch((error: unknown) => {
    throw options.signal?.aborted === true ? interruptedBefore(error) : error;
  });
  let isFinishing = false;
  try {
    const uploaded = await upload(run, run.begun.missing);
    report({ kind: 'finishing' });
    isFinishing = true;
    const result = await finish(run);
    return summarize(run, { result, uploaded, durationMs: Math.round(clock.monotonicMs() - startedMs) });
  } catch (error) {
    const { project, signal } = options;
    const { id } = run.begun.deployment;
    const ending = await giveUp(client, { project, id });
    throw afterGivingUp(error, { id, ending: isFinishing ? ending : 'given-up', signal });
  }
}

type Run = {
  options: DeployOptions;
  client: ControlApiClient;
  report: (event: DeployEvent) => void;
  site: BuiltSite;
  begun: BegunDeployment;
};

/** Creates the project unless it exists; somebody else creating it at the same moment is fine too. */
async function ensureProject({ project, signal }: DeployOptions, client: ControlApiClient): Promise<void> {
  try {
    await client.call({ method: 'GET', path: apiPaths.project(project), answer: projectSchema, signal });
    return;
  } catch (error) {
    if (!(error instanceof ApiRefusalError) || error.status !== 404) throw error;
  }
  try {
    const body: CreateProject = { name: project };
    await client.call({ method: 'POST', path: apiPaths.projects(), answer: projectSchema, body, signal });
  } catch (error) {
    if (!(error instanceof ApiRefusalError) || error.status !== 409) throw error;
  }
}

async function setEnvironment(options: DeployOptions, client: ControlApiClient): Promise<void> {
  const { project, environment = {}, signal } = options;
  if (Object.keys(environment).length === 0) return;
  const path = adminPaths.environment(project, environmentOf(options.track));
  const body: ChangeEnvironment = { set: environment };
  await client.call({ method: 'PATCH', path, answer: environmentInfoSchema, body, signal });
}

/** Production deployments get the environment `production`, those of every other track `preview`. */
export function environmentOf(track: string = 'production'): string {
  const problem = trackNameSchema.safeParse(track).error?.issues[0]?.message;
  if (problem !== undefined) {
    throw new CliError('BAD_TRACK', `${JSON.stringify(track)} is no name of a track: it ${problem}.`, {
      exitCode: EXIT.usage,
    });
  }
  return track === 'production' ? track : 'preview';
}

async function begin(
  options: DeployOptions,
  client: ControlApiClient,
  report: (event: DeployEvent) => void,
): Promise<Run> {
  report({ kind: 'building', directory: options.directory });
  const site = await buildSite(options);
  report({ kind: 'built', site });
  if (options.createProject === true) await ensureProject(options, client);
  await setEnvironment(options, client);
  const begun = await callBegin(options, client, site);
  // The control API checks the same rules again: what was said is not said twice.
  const warnings = begun.warnings.filter((warning) => !site.warnings.includes(warning));
  report({ kind: 'begun', deployment: begun.deployment, warnings });
  return { options, client, report, site, begun };
}

async function callBegin(
  options: DeployOptions,
  client: ControlApiClient,
  site: BuiltSite,
): Promise<BegunDeployment> {
  const { project, track, domains = [], source, signal } = options;
  const body: BeginDeployment = {
    manifest: site.manifest,
    ...(track === undefined ? {} : { track }),
    ...(domains.length === 0 ? {} : { domains: [...domains] }),
    ...(source === undefined ? {} : { source }),
  };
  const path = apiPaths.deployments(project);
  return client.call({ method: 'POST', path, answer: begunDeploymentSchema, body, signal });
}

function upload(run: Run, missing: readonly string[]): Promise<Uploaded> {
  const { options, client, site, begun, report } = run;
  return uploadObjects({
    client,
    project: options.project,
    contents: site.contents,
    missing,
    limits: begun.limits,
    signal: options.signal,
    onProgress: (progress) => report({ kind: 'uploading', ...progress }),
  });
}

/** Objects may vanish between begin and finish (a garbage collection of the bucket): they are uploaded once more. */
async function finish(run: Run): Promise<FlipResult> {
  try {
    return await callFinish(run);
  } catch (error) {
    if (!(error instanceof ApiRefusalError) || error.missing.length === 0) throw error;
    await upload(run, error.missing);
    return callFinish(run);
  }
}

function callFinish({ options, client, begun }: Run): Promise<FlipResult> {
  const { project, previewOnly = false, signal } = options;
  return client.call({
    method: 'POST',
    path: apiPaths.finish(project, begun.deployment.id),
    answer: flipResultSchema,
    body: previewOnly ? { flip: false } : {},
    timeoutMs: FINISH_TIMEOUT_MS,
    signal,
  });
}

function summarize(
  { site, begun }: Run,
  done: { result: FlipResult; uploaded: Uploaded; durationMs: number },
): DeploySummary {
  const missing = new Set(begun.missing);
  return {
    ...done,
    files: site.files,
    functions: site.functions,
    bytes: site.totalBytes,
    unchanged: site.manifest.resources.filter(({ hash }) => hash !== undefined && !missing.has(hash)).length,
    warnings: [...new Set([...site.warnings, ...begun.warnings])],
  };
}
