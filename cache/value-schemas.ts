import { z } from 'zod';

/** Shapes of the catalogue's values that belong to no contract of their own. */

export type ProjectConfig = {
  id: string;
  reference: string;
  name: string;
  organizationId: string | null;
  settings: Record<string, unknown>;
};
export const projectConfigSchema: z.ZodType<ProjectConfig> = z.object({
  id: z.string(),
  reference: z.string(),
  name: z.string(),
  organizationId: z.string().nullable(),
  settings: z.record(z.string(), z.unknown()),
});

/** An environment as other services may see it: names of variables in clear, their values only sealed. */
export type ProjectEnvironment = {
  id: string;
  name: string;
  revisionId: string | null;
  /** Of the revision, ISO 8601. */
  createdAt: string | null;
  variableNames: string[];
};
export const projectEnvironmentsSchema: z.ZodType<ProjectEnvironment[]> = z.array(
  z.object({
    id: z.string(),
    name: z.string(),
    revisionId: z.string().nullable(),
    createdAt: z.string().nullable(),
    variableNames: z.array(z.string()),
  }),
);

/** Read by the control API alone: its user of the cache server is the only one that may write these keys. */
export type ApiTokenOwner = { userId: string; name: string; isAdmin: boolean };
export const apiTokenOwnerSchema: z.ZodType<ApiTokenOwner> = z.object({
  userId: z.string(),
  name: z.string(),
  isAdmin: z.boolean(),
});

export type GithubToken = {
  /** AES-256-GCM ciphertext: a token in clear never enters the cache. */
  sealedToken: string;
  /** ISO 8601, as GitHub said it. */
  expiresAt: string;
};
export const githubTokenSchema: z.ZodType<GithubToken> = z.object({
  sealedToken: z.string().min(1),
  expiresAt: z.string().min(1),
});

export type BuildStatus = {
  /** Whose build it is: who may read it depends on this. */
  projectId?: string | undefined;
  status: 'pending' | 'in_progress' | 'completed' | 'failed';
  updatedAtMs: number;
  message?: string | undefined;
};
export const buildStatusSchema: z.ZodType<BuildStatus> = z.object({
  projectId: z.string().optional(),
  status: z.enum(['pending', 'in_progress', 'completed', 'failed']),
  updatedAtMs: z.number(),
  message: z.string().optional(),
});

export type BuildLogLine = {
  /** Place in the whole log, from 1: a list that was lost and began anew is recognised by it. */
  position?: number | undefined;
  timestamp: string;
  level: string;
  message: string;
};
export const buildLogLineSchema: z.ZodType<BuildLogLine> = z.object({
  position: z.number().int().positive().optional(),
  timestamp: z.string(),
  level: z.string(),
  message: z.string(),
});

/** A gateway as `gateway:{instance}` shows it to operators. */
export type GatewayPresence = { address: string; version: string; startedAtMs: number; acked: number };
export const gatewayPresenceSchema: z.ZodType<GatewayPresence> = z.object({
  address: z.string(),
  version: z.string(),
  startedAtMs: z.number(),
  acked: z.number(),
});
