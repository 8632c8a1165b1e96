import type { DomainCertificate } from './certificates.ts';
import type { Manifest } from './manifest.ts';

/**
 * The control API's plain HTTP form under `/v1`: JSON both ways, `Authorization: Bearer <token>`. A deploy is
 *
 *     POST …/deployments               the manifest; answers which content hashes are missing
 *     PUT  …/objects/{sha256}          each missing object, many at once, again after any failure
 *     POST …/deployments/{id}/finish   checks, encodes, flips the domains, waits for the gateways
 *
 * Every step may be repeated: beginning again with the same manifest uploads only what is still missing, and
 * finishing a finished deployment answers the same again. `{project}` is a project's name, `ref` or id.
 */
export const API_PREFIX = '/v1';

const segment = encodeURIComponent;
const projectPath = (project: string): string => `${API_PREFIX}/projects/${segment(project)}`;
const deploymentPath = (project: string, id: string): string =>
  `${projectPath(project)}/deployments/${segment(id)}`;

/** Every path, encoded; the method stands in the comment. */
export const apiPaths = {
  /** GET, no token: 200 `Health`, or 503 with the same body when a part is down. */
  health: (): string => `${API_PREFIX}/health`,
  /** GET, no token: the OpenAPI 3.1 description of all this. */
  openapi: (): string => `${API_PREFIX}/openapi.json`,
  /** GET: `Identity`. */
  whoami: (): string => `${API_PREFIX}/whoami`,
  /** GET: `{ projects: Project[] }`. POST `CreateProject`: 201 `Project`, 409 when the name is taken. */
  projects: (): string => `${API_PREFIX}/projects`,
  /** GET: `Project`. DELETE: the project with everything in it, 200 `Deleted`. */
  project: (project: string): string => projectPath(project),
  /** POST `BeginDeployment`: 201 `BegunDeployment`. GET `?track=&limit=&before=`: `DeploymentList`, newest first. */
  deployments: (project: string): string => `${projectPath(project)}/deployments`,
  /** GET: `Deployment`. DELETE: 200 `Deleted`, 409 while it is shown anywhere but at its preview host. */
  deployment: (project: string, id: string): string => deploymentPath(project, id),
  /** GET: `{ missing: string[] }`, the hashes still to be uploaded: for resuming. */
  missing: (project: string, id: string): string => `${deploymentPath(project, id)}/missing`,
  /**
   * PUT the bytes with a Content-Length: 201 stored, 200 was there already, 422 when the bytes are not those of
   * the hash, 413 when too large. HEAD: 200 or 404.
   */
  object: (project: string, sha256: string): string => `${projectPath(project)}/objects/${segment(sha256)}`,
  /** POST `FinishDeployment`: 200 `FlipResult`, 409 with `missing` when objects are missing. */
  finish: (project: string, id: string): string => `${deploymentPath(project, id)}/finish`,
  /** POST: gives up a deployment that was begun: 200 `Deployment` (`failed`). */
  abort: (project: string, id: string): string => `${deploymentPath(project, id)}/abort`,
  /** POST `Promote`: shows a successful deployment on a track; 200 `FlipResult`. */
  promote: (project: string, id: string): string => `${deploymentPath(project, id)}/promote`,
  /** POST `Rollback`: shows the track's previous successful deployment, or the one named; 200 `FlipResult`. */
  rollback: (project: string): string => `${projectPath(project)}/rollback`,
  /** GET: `{ domains: Domain[] }`. POST `AddDomain`: 201 `Domain`, 409 when another project has it. */
  domains: (project: string): string => `${projectPath(project)}/domains`,
  /** DELETE: 200 `Deleted`. */
  domain: (project: string, host: string): string => `${projectPath(project)}/domains/${segment(host)}`,
  /** POST `Purge`: 200 `PurgeResult`. */
  purge: (project: string): string => `${projectPath(project)}/purge`,
} as const;

/** Body of every answer that is not 2xx. */
export type ApiError = {
  error: {
    /** A code of core/errors.ts. */
    code: string;
    /** One sentence, fit to be shown, that says what to do. */
    message: string;
    requestId: string;
    /** Every single problem, where there are several (a manifest's, a body's). */
    details?: string[] | undefined;
    /** Hashes still to be uploaded, when that is what is wrong. */
    missing?: string[] | undefined;
  };
};

export type Health = {
  status: 'ok' | 'degraded' | 'down';
  version: string;
  database: 'up' | 'down';
  /** The cache is a hint: `down` degrades, it does not stop anything. */
  cache: 'up' | 'down' | 'disabled' | 'memory';
  store: 'up' | 'down';
};

export type Role = 'owner' | 'admin' | 'member' | 'viewer';

export type Identity = {
  user: { id: string; name: string };
  organizations: { id: string; name: string; role: Role }[];
  /** Whether the token may do everything on this installation. */
  isAdmin: boolean;
};

export type Project = {
  id: string;
  /** Ten letters: `{ref}.D` is the production track's domain. */
  ref: string;
  name: string;
  organizationId: string;
  createdAt: string;
};

export type CreateProject = {
  /** 1 to 63 of a-z, 0-9 and `-`, beginning with a letter; unique within the installation. */
  name: string;
  /** Name or id; may be left out when the token's user is in exactly one organization. */
  organization?: string | undefined;
};

export type DeploymentStatus = 'pending' | 'deploying' | 'success' | 'failed';

export type Source = {
  branch?: string | undefined;
  commit?: string | undefined;
  message?: string | undefined;
};

export type Deployment = {
  id: string;
  projectId: string;
  track: string;
  status: DeploymentStatus;
  /** Whether its track shows it now. */
  isLive: boolean;
  /** `{8 chars}--{ref}.D`: shows this deployment for ever. */
  previewHost: string;
  previewUrl: string;
  createdAt: string;
  finishedAt: string | null;
  files: number;
  functions: number;
  bytes: number;
  source: Source | null;
  environmentRevisionId: string | null;
  /** Why it failed, when it did. */
  failure: string | null;
};

export type DeploymentList = {
  deployments: Deployment[];
  /** Pass as `before` for the next page; null at the end. */
  next: string | null;
};

export type BeginDeployment = {
  /** Every resource needs `hash` and `size`; `objects` and `encodings` are set by the control API. */
  manifest: Manifest;
  /** Default `production`. `pr-12` and the like make a track of their own. */
  track?: string | undefined;
  /** Custom domains of the track, attached at the flip; a port is allowed (`demo.localhost:7777`). */
  domains?: string[] | undefined;
  source?: Source | undefined;
};

export type BegunDeployment = {
  deployment: Deployment;
  /** Hashes to upload, each once. */
  missing: string[];
  limits: { maxObjectBytes: number; maxConcurrentUploads: number };
  /** What was accepted but is probably not meant (shadowed redirects, left-out headers). */
  warnings: string[];
};

export type FinishDeployment = {
  /** False: only the preview host shows it, the track stays. Default true. */
  flip?: boolean | undefined;
};

export type Promote = {
  /** Default: the deployment's own track. */
  track?: string | undefined;
};

export type Rollback = {
  /** Default `production`. */
  track?: string | undefined;
  /** Default: what the track showed before the present one; again: what it showed before that. */
  deploymentId?: string | undefined;
};

export type FlipResult = {
  /**
   * `live`: the track shows it now. `superseded`: it is complete, but the track shows a newer one, so nothing was
   * moved. `preview`: it was to be shown at its preview host only.
   */
  outcome: 'live' | 'superseded' | 'preview';
  deployment: Deployment;
  supersededBy?: string | undefined;
  /** The hosts that show it now, each with the revision of its mapping. */
  domains: { host: string; url: string; rev: number }[];
  /** Gateways that confirmed. */
  acknowledged: string[];
  /** Gateways whose lease ran out instead: they ask before they serve from memory again. */
  expired: string[];
  /** False when the cache server was not reached: gateways are then behind by at most the lease. */
  isComplete: boolean;
  /** From the database's commit to the last acknowledgement. */
  durationMs: number;
};

export type Domain = {
  host: string;
  url: string;
  /** `track`: `{ref}.D` and `{track}--{ref}.D`. `deployment`: a preview host. `custom`: as typed. */
  kind: 'track' | 'deployment' | 'custom';
  track: string | null;
  /** What it shows; null before the first deployment. */
  deploymentId: string | null;
  rev: number;
  /** Of its own, for HTTPS; null: none is ordered for it here. */
  certificate: DomainCertificate | null;
};

export type AddDomain = {
  host: string;
  /** Default `production`. */
  track?: string | undefined;
};

export type Deleted = {
  /** What was removed: `deployment`, `domain`, `project`. */
  kind: string;
  id: string;
  /** Objects removed from the bucket with it (those that nothing else shares), and their size. */
  objects: number;
  bytes: number;
};

/**
 * What to end. `isSoft`: it becomes stale instead of going away, and is served for its grace while it is refreshed. `keys`
 * are names of the cache's catalogue, of what is the project's.
 */
export type Purge = (
  | { kind: 'domain'; host: string }
  | { kind: 'deployment'; deploymentId: string }
  | { kind: 'urls'; urls: string[] }
  | { kind: 'tags'; tags: string[] }
  | { kind: 'keys'; keys: string[] }
  | { kind: 'project' }
) & { isSoft?: boolean | undefined };

export type PurgeResult = {
  /** Keys of the cache that were ended. */
  keys: number;
  acknowledged: string[];
  expired: string[];
  isComplete: boolean;
  durationMs: number;
};
