import { z } from 'zod';
import { API_PREFIX, type Role, type Source } from './control-api.ts';
import { roleSchema } from './control-api-answers.ts';
import { trackNameSchema } from './control-api-requests.ts';

// The part of the control API's plain HTTP form that lies around a deploy: environments, builds and their logs,
// API tokens, organizations. Same rules as in control-api.ts.

const segment = encodeURIComponent;
const inProject = (project: string, rest: string): string =>
  `${API_PREFIX}/projects/${segment(project)}/${rest}`;

/** Every path, encoded; the method stands in the comment. */
export const adminPaths = {
  /** GET: `{ environments: EnvironmentInfo[] }`, names of variables only. */
  environments: (project: string): string => inProject(project, 'environments'),
  /**
   * GET: `EnvironmentInfo`; with `?reveal=true` and the right to manage the project, values too. PATCH
   * `ChangeEnvironment`: a new revision, which the next deployment gets; 200 `EnvironmentInfo`.
   */
  environment: (project: string, name: string): string => inProject(project, `environments/${segment(name)}`),
  /** GET `?limit=`: `{ builds: Build[] }`, newest first. POST `StartBuild`: 201 `Build`. */
  builds: (project: string): string => inProject(project, 'builds'),
  /** GET: `Build`. PATCH `ChangeBuild`: 200 `Build`. */
  build: (project: string, id: string): string => inProject(project, `builds/${segment(id)}`),
  /**
   * GET `?after=<next>&waitMs=`: `LogPage`; with `waitMs` it is held until there is more, or the build ended.
   * POST `{ entries: LogEntry[] }`: appends in order; 200 `{ next: number }`.
   */
  buildLogs: (project: string, id: string): string => inProject(project, `builds/${segment(id)}/logs`),
  /** GET: `{ tokens: TokenInfo[] }` of the caller. POST `CreateToken`: 201 `CreatedToken`. */
  tokens: (): string => `${API_PREFIX}/tokens`,
  /** DELETE: revokes it at once; 200 `Deleted`. */
  token: (id: string): string => `${API_PREFIX}/tokens/${segment(id)}`,
  /** POST `{ name }`: 201 `Organization`. */
  organizations: (): string => `${API_PREFIX}/organizations`,
  /** GET: `{ members: Member[] }`. */
  members: (organization: string): string => `${API_PREFIX}/organizations/${segment(organization)}/members`,
  /** PUT `{ role }`: adds or changes, effective at once; 200 `Member`. DELETE: 200 `Deleted`. `user`: id or name. */
  member: (organization: string, user: string): string =>
    `${API_PREFIX}/organizations/${segment(organization)}/members/${segment(user)}`,
  /** POST `{ name }`: 201 `User` (installation admins only). */
  users: (): string => `${API_PREFIX}/users`,
  /** PUT `GithubLink` (installation admins only), DELETE. */
  github: (project: string): string => inProject(project, 'github'),
  /** POST: 200 `{ token, expiresAt }`, with which a build reads the project's repository. */
  githubToken: (project: string): string => inProject(project, 'github/token'),
  /** POST: deliveries of the GitHub App's webhook, signed with the webhook's secret. */
  githubWebhook: (): string => `${API_PREFIX}/github/webhook`,
  /** POST: 200 `SweepReport` (installation admins only). */
  sweep: (): string => `${API_PREFIX}/sweep`,
  /** POST `Exist`: 200 `Exist` with those that exist (installation admins only). */
  exist: (): string => `${API_PREFIX}/exist`,
} as const;

export type EnvironmentInfo = {
  name: string;
  /** Null before the first change. */
  revisionId: string | null;
  createdAt: string | null;
  /** Names of the variables, sorted. */
  names: string[];
  /** Values, only when asked for and allowed. */
  variables?: Record<string, string> | undefined;
};

export type ChangeEnvironment = {
  set?: Record<string, string> | undefined;
  unset?: string[] | undefined;
};

export type BuildStatus = 'pending' | 'in_progress' | 'completed' | 'failed';

export type Build = {
  id: string;
  projectId: string;
  status: BuildStatus;
  track: string;
  source: Source | null;
  deploymentId: string | null;
  createdAt: string;
  finishedAt: string | null;
};

export type StartBuild = { track?: string | undefined; source?: Source | undefined };
export type ChangeBuild = { status: BuildStatus; deploymentId?: string | undefined };

export type LogEntry = { timestamp: string; level: 'debug' | 'info' | 'warn' | 'error'; message: string };

export type LogPage = {
  entries: LogEntry[];
  /** Pass as `after` to go on where this page ended. */
  next: number;
  /** Whether the build has ended and every line was answered. */
  isComplete: boolean;
  /** Lines dropped from the beginning because the log outgrew its cap. */
  dropped: number;
};

export type TokenInfo = {
  id: string;
  name: string;
  createdAt: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
};

export type CreateToken = {
  name: string;
  expiresInDays?: number | undefined;
  /** Name or id of somebody else; for installation admins. */
  user?: string | undefined;
};
export type CreatedToken = TokenInfo & {
  /** Shown this once; only its hash is kept. */
  token: string;
};

export type Organization = { id: string; name: string };
export type User = { id: string; name: string };
export type GithubLink = {
  installationId: number;
  /** `owner/name` */
  repository: string;
};

/** Ids of deployments and projects. */
export type Exist = { deployments: string[]; projects: string[] };

/** What a run of the collector found and did. */
export type SweepReport = {
  /** Changes of domains that the cache has still not been told of. */
  pendingFlips: number;
  /** Deployments whose client was not heard of for too long. */
  givenUp: number;
  /** Deployments deleted because their track keeps only so many. */
  deployments: number;
  /** Objects deleted because no deployment needs them, and their size. */
  objects: number;
  bytes: number;
  /** Objects of the bucket that no row knew of, deleted. */
  strayObjects: number;
  /** Objects that the bucket has lost: the next deploy uploads them again. */
  lostObjects: number;
  /** Keys of the cache that no deployment or project stands behind any more, removed. */
  cacheKeys: number;
};

export type Member = { userId: string; name: string; role: Role };

const name = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'must be 1 to 63 of a-z, 0-9 and -');

const variableName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,255}$/, 'must be a name of letters, digits and _');

export const environmentNameSchema: z.ZodType<string> = name;

export const environmentInfoSchema: z.ZodType<EnvironmentInfo> = z.object({
  name: z.string(),
  revisionId: z.string().nullable(),
  createdAt: z.string().nullable(),
  names: z.array(z.string()),
  variables: z.record(z.string(), z.string()).optional(),
});

// What the platform says of a function to itself would win over them, so that setting them did nothing.
const OWN_VARIABLES = ['ORIGAN_DEPLOYMENT_ID', 'ORIGAN_FUNCTION_PATH', 'ORIGAN_PROJECT_ID'];
const ownVariableName = variableName.refine(
  (text) => !OWN_VARIABLES.includes(text),
  'is set by the platform in every function',
);

export const changeEnvironmentSchema: z.ZodType<ChangeEnvironment> = z.strictObject({
  set: z.record(ownVariableName, z.string().max(65_536)).optional(),
  unset: z.array(variableName).optional(),
});

const buildStatus = z.enum(['pending', 'in_progress', 'completed', 'failed']);
const source = z.object({
  branch: z.string().max(255).optional(),
  commit: z.string().max(64).optional(),
  message: z.string().max(2000).optional(),
});

export const buildSchema: z.ZodType<Build> = z.object({
  id: z.string(),
  projectId: z.string(),
  status: buildStatus,
  track: z.string(),
  source: source.nullable(),
  deploymentId: z.string().nullable(),
  createdAt: z.string(),
  finishedAt: z.string().nullable(),
});

export const startBuildSchema: z.ZodType<StartBuild> = z.strictObject({
  track: trackNameSchema.optional(),
  source: source.optional(),
});

export const changeBuildSchema: z.ZodType<ChangeBuild> = z.strictObject({
  status: buildStatus,
  deploymentId: z.uuid().optional(),
});

export const logEntrySchema: z.ZodType<LogEntry> = z.object({
  timestamp: z.string().max(40),
  level: z.enum(['debug', 'info', 'warn', 'error']),
  message: z.string().max(65_536),
});

// Lines are sorted by it, and printed with it.
const writtenEntrySchema: z.ZodType<LogEntry> = z.object({
  timestamp: z.iso
    .datetime({ offset: true, error: 'must be a time such as 2026-01-31T08:00:00.000Z' })
    .max(40),
  level: z.enum(['debug', 'info', 'warn', 'error']),
  message: z.string().max(65_536),
});

export const appendLogsSchema: z.ZodType<{ entries: LogEntry[] }> = z.strictObject({
  entries: z.array(writtenEntrySchema).max(1000),
});

export const logPageSchema: z.ZodType<LogPage> = z.object({
  entries: z.array(logEntrySchema),
  next: z.number(),
  isComplete: z.boolean(),
  dropped: z.number(),
});

export const createTokenSchema: z.ZodType<CreateToken> = z.strictObject({
  name: z.string().min(1).max(100),
  expiresInDays: z.number().int().min(1).max(3650).optional(),
  user: z.string().min(1).max(100).optional(),
});

const tokenInfo = {
  id: z.string(),
  name: z.string(),
  createdAt: z.string(),
  expiresAt: z.string().nullable(),
  lastUsedAt: z.string().nullable(),
};
export const tokenInfoSchema: z.ZodType<TokenInfo> = z.object(tokenInfo);
export const createdTokenSchema: z.ZodType<CreatedToken> = z.object({ ...tokenInfo, token: z.string() });

export const namedSchema: z.ZodType<{ name: string }> = z.strictObject({ name });
export const memberSchema: z.ZodType<Member> = z.object({
  userId: z.string(),
  name: z.string(),
  role: roleSchema,
});
export const changeMemberSchema: z.ZodType<{ role: Role }> = z.strictObject({ role: roleSchema });

const ids = z.array(z.uuid()).max(10_000).default([]);
export const existSchema: z.ZodType<Exist> = z.strictObject({ deployments: ids, projects: ids });

export const sweepReportSchema: z.ZodType<SweepReport> = z.object({
  pendingFlips: z.number(),
  givenUp: z.number(),
  deployments: z.number(),
  objects: z.number(),
  bytes: z.number(),
  strayObjects: z.number(),
  lostObjects: z.number(),
  cacheKeys: z.number(),
});

export const githubLinkSchema: z.ZodType<GithubLink> = z.strictObject({
  installationId: z.number().int().positive(),
  repository: z.string().regex(/^[\w.-]{1,100}\/[\w.-]{1,100}$/, 'must be owner/name'),
});

export const githubTokenSchema: z.ZodType<{ token: string; expiresAt: string }> = z.object({
  token: z.string(),
  expiresAt: z.string(),
});
