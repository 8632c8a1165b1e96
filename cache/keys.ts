import { z } from 'zod';
import { functionLogLineSchema, type FunctionLogLine } from '../contracts/function-logs.ts';
import { deploymentMetadataSchema, type DeploymentMetadata } from '../contracts/metadata.ts';
import { parseManifest, type Manifest } from '../contracts/manifest.ts';
import { parseSiteRecord, type SiteRecord } from '../contracts/site.ts';
import {
  binaryFamily,
  jsonFamily,
  type CacheKey,
  type KeyFamily,
  type ListKey,
  type LockKey,
} from './family.ts';
import * as shape from './value-schemas.ts';

export type { CacheKey, ListKey, LockKey } from './family.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const MIB = 1_048_576;
/** Deployments without traffic leave the cache after this long: immutable does not mean kept for ever. */
const IMMUTABLE_MS = 30 * 24 * HOUR;

/** The catalogue: one row for each kind of key. */
const families = {
  domain: jsonFamily<SiteRecord>(z.never(), {
    name: 'domain',
    parse: (input) => {
      const parsed = parseSiteRecord(input);
      return parsed.kind === 'valid' ? parsed.site : undefined;
    },
    revOf: (site) => site.rev,
    freshMs: 'default',
    graceMs: 10 * MINUTE,
    negativeMs: 30 * SECOND,
    maxBytes: 16 * MIB,
    near: 'coherent',
    lastKnownGoodMs: 10 * MINUTE,
    coldLoadsPerSecond: 50,
  }),
  deploymentConfig: jsonFamily<Manifest>(z.never(), {
    name: 'deployment-config',
    parse: (input) => {
      const parsed = parseManifest(input);
      return parsed.kind === 'valid' ? parsed.manifest : undefined;
    },
    freshMs: IMMUTABLE_MS,
    graceMs: 10 * MINUTE,
    negativeMs: 10 * SECOND,
    maxBytes: 16 * MIB,
    near: 'immutable',
    coldLoadsPerSecond: 100,
  }),
  deploymentMetadata: jsonFamily<DeploymentMetadata>(deploymentMetadataSchema, {
    name: 'deployment-metadata',
    freshMs: IMMUTABLE_MS,
    graceMs: 10 * MINUTE,
    negativeMs: 10 * SECOND,
    maxBytes: 4 * MIB,
    near: 'immutable',
    coldLoadsPerSecond: 100,
  }),
  // "Does not exist" is the value false with a short lifetime (see existenceTtlMs), never a negative entry.
  deploymentExists: jsonFamily<boolean>(z.boolean(), { name: 'deployment-exists', freshMs: IMMUTABLE_MS }),
  projectConfig: jsonFamily<shape.ProjectConfig>(shape.projectConfigSchema, {
    name: 'project-config',
    freshMs: 10 * MINUTE,
    graceMs: 10 * MINUTE,
    negativeMs: 30 * SECOND,
  }),
  projectEnvironments: jsonFamily<shape.ProjectEnvironment[]>(shape.projectEnvironmentsSchema, {
    name: 'project-environments',
    freshMs: 10 * MINUTE,
    graceMs: 10 * MINUTE,
    negativeMs: 30 * SECOND,
  }),
  // No grace on permissions: an old answer here lets somebody in.
  userProjects: jsonFamily<string[]>(z.array(z.string()), { name: 'user-projects', freshMs: 5 * MINUTE }),
  userOrgs: jsonFamily<string[]>(z.array(z.string()), { name: 'user-orgs', freshMs: 5 * MINUTE }),
  apiToken: jsonFamily<shape.ApiTokenOwner>(shape.apiTokenOwnerSchema, {
    name: 'api-token',
    freshMs: 5 * MINUTE,
    negativeMs: SECOND,
  }),
  githubToken: jsonFamily<shape.GithubToken>(shape.githubTokenSchema, {
    name: 'github-token',
    // The longest that GitHub grants; a write passes what is left until `expires_at`, see githubTokenTtlMs.
    freshMs: 55 * MINUTE,
    jitter: 0,
  }),
  buildStatus: jsonFamily<shape.BuildStatus>(shape.buildStatusSchema, {
    name: 'build-status',
    freshMs: 2 * HOUR,
    jitter: 0,
    isRestorable: true,
  }),
  // Gateways keep hot responses in a memory of their own, so a purge is announced to them.
  response: binaryFamily({
    name: 'response',
    freshMs: 24 * HOUR,
    jitter: 0,
    maxBytes: MIB,
    isAnnounced: true,
    isRestorable: true,
  }),
  tag: jsonFamily<string>(z.string().min(3), {
    name: 'tag',
    freshMs: IMMUTABLE_MS,
    jitter: 0,
    near: 'coherent',
  }),
  gateway: jsonFamily<shape.GatewayPresence>(shape.gatewayPresenceSchema, {
    name: 'gateway',
    freshMs: 15 * SECOND,
    jitter: 0,
  }),
} as const;

/** Names of every family: the closed set of metric labels. */
export const FAMILY_NAMES: readonly string[] = [
  ...Object.values(families).map((family) => family.name),
  'build-logs',
  'function-logs',
  'deploy-lock',
  'lock',
  'hot-keys',
];

const key = <Value>(family: KeyFamily<Value>, name: string): CacheKey<Value> => ({ family, name });

/** Builds every key that the system uses. */
export const keys = {
  /** What a host shows. `host` is normalised, see core/host.ts. */
  domain: (host: string): CacheKey<SiteRecord> => key(families.domain, `domain:${host}`),
  /** The manifest of a deployment. */
  deploymentConfig: (id: string): CacheKey<Manifest> =>
    key(families.deploymentConfig, `deployment:${id}:config`),
  /** What the runner needs to know about a deployment. */
  deploymentMetadata: (id: string): CacheKey<DeploymentMetadata> =>
    key(families.deploymentMetadata, `deployment:${id}:metadata`),
  /** Whether a deployment exists; write `false` with `existenceTtlMs(false)`. */
  deploymentExists: (id: string): CacheKey<boolean> =>
    key(families.deploymentExists, `deployment:${id}:exists`),
  projectConfig: (id: string): CacheKey<shape.ProjectConfig> =>
    key(families.projectConfig, `project:${id}:config`),
  projectEnvironments: (id: string): CacheKey<shape.ProjectEnvironment[]> =>
    key(families.projectEnvironments, `project:${id}:environments`),
  userProjects: (id: string): CacheKey<string[]> => key(families.userProjects, `user:${id}:projects`),
  /** Ids of the user's organizations, each followed by `:` and the role there. */
  userOrgs: (id: string): CacheKey<string[]> => key(families.userOrgs, `user:${id}:orgs`),
  /** Whose API token this is; `hash` is the token's SHA-256, never the token. */
  apiToken: (hash: string): CacheKey<shape.ApiTokenOwner> => key(families.apiToken, `token:${hash}`),
  githubToken: (installation: string, repo: string): CacheKey<shape.GithubToken> =>
    key(families.githubToken, `github:token:${installation}:${repo}`),
  buildStatus: (id: string): CacheKey<shape.BuildStatus> => key(families.buildStatus, `build:${id}:status`),
  /** Lines of a running build, oldest first. */
  buildLogs: (id: string): ListKey<shape.BuildLogLine> => ({
    family: 'build-logs',
    name: `build:${id}:logs`,
    parse: (input) => shape.buildLogLineSchema.safeParse(input).data,
    maxItems: 20_000,
    ttlMs: 2 * HOUR,
  }),
  /** What a deployment's functions wrote of late, oldest first; a runner appends in batches. */
  functionLogs: (deploymentId: string): ListKey<FunctionLogLine> => ({
    family: 'function-logs',
    name: `deployment:${deploymentId}:logs`,
    parse: (input) => functionLogLineSchema.safeParse(input).data,
    maxItems: 2000,
    ttlMs: 24 * HOUR,
    isNumberedByTime: true,
  }),
  /** One deploy at a time for each track. */
  deployLock: (project: string, track: string): LockKey => ({
    family: 'deploy-lock',
    name: `deploy:lock:${project}:${track}`,
    ttlMs: 5 * MINUTE,
  }),
  /** Any other thing that one instance at a time does, such as sweeping. */
  lock: (purpose: string): LockKey => ({ family: 'lock', name: `lock:${purpose}`, ttlMs: MINUTE }),
  /** A stored function response; `rest` is the secondary key, hashed by the caller, free of user data. */
  response: (deploymentId: string, rest: string): CacheKey<Buffer> =>
    key(families.response, `response:${deploymentId}:${rest}`),
  /** Version marker of a tag, see tags.ts. */
  tag: (project: string, tag: string): CacheKey<string> => key(families.tag, `tag:${project}:${tag}`),
  /** Presence of a gateway. */
  gateway: (instance: string): CacheKey<shape.GatewayPresence> =>
    key(families.gateway, `gateway:${instance}`),
} as const;

/** Families by the name that messages and metrics use. */
const familyByName: ReadonlyMap<string, KeyFamily<unknown>> = new Map(
  Object.values(families).map((family) => [family.name, family as KeyFamily<unknown>]),
);

/** A key of the catalogue from the name of its family and its own; undefined for a family of another version. */
export function keyOf(familyName: string, name: string): CacheKey<unknown> | undefined {
  const family = familyByName.get(familyName);
  return family === undefined ? undefined : { family, name };
}

/** The same for the functions' logs, which are a list. */
export function logsKeyOf(familyName: string, name: string): ListKey<unknown> | undefined {
  const id = /^deployment:(.+):logs$/.exec(name)?.[1];
  if (id === undefined) return undefined;
  const logs = keys.functionLogs(id);
  return logs.family === familyName ? logs : undefined;
}

/** Every value that belongs to one deployment: what its deletion removes, beside `keys.functionLogs`. */
export function keysOfDeployment(id: string): CacheKey<unknown>[] {
  return [keys.deploymentConfig(id), keys.deploymentMetadata(id), keys.deploymentExists(id)];
}

/** Lifetime of an existence answer: what is not there yet may be there in a moment. */
export function existenceTtlMs(doesExist: boolean): number | undefined {
  return doesExist ? undefined : 10 * SECOND;
}

/** Lifetime of a GitHub token: until five minutes before it expires; 0 when it is not worth keeping. */
export function githubTokenTtlMs(expiresAt: string, nowMs: number): number {
  const leftMs = Date.parse(expiresAt) - 5 * MINUTE - nowMs;
  return Number.isFinite(leftMs) ? Math.max(0, leftMs) : 0;
}
