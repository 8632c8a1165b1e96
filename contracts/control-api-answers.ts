import { z } from 'zod';
import { domainCertificateSchema } from './certificates.ts';
import type {
  ApiError,
  BegunDeployment,
  Deleted,
  Deployment,
  DeploymentList,
  Domain,
  FlipResult,
  Health,
  Identity,
  Project,
  PurgeResult,
  Role,
} from './control-api.ts';

// What a control API answers, as its clients read it. Unknown fields are dropped, so that an older client goes on
// working when an answer grows.

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const apiErrorSchema: z.ZodType<ApiError> = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    requestId: z.string(),
    details: z.array(z.string()).optional(),
    missing: z.array(sha256).optional(),
  }),
});

export const healthSchema: z.ZodType<Health> = z.object({
  status: z.enum(['ok', 'degraded', 'down']),
  version: z.string(),
  database: z.enum(['up', 'down']),
  cache: z.enum(['up', 'down', 'disabled', 'memory']),
  store: z.enum(['up', 'down']),
});

export const roleSchema: z.ZodType<Role> = z.enum(['owner', 'admin', 'member', 'viewer']);

export const identitySchema: z.ZodType<Identity> = z.object({
  user: z.object({ id: z.string(), name: z.string() }),
  organizations: z.array(z.object({ id: z.string(), name: z.string(), role: roleSchema })),
  isAdmin: z.boolean(),
});

export const projectSchema: z.ZodType<Project> = z.object({
  id: z.string(),
  ref: z.string(),
  name: z.string(),
  organizationId: z.string(),
  createdAt: z.string(),
});

export const projectListSchema: z.ZodType<{ projects: Project[] }> = z.object({
  projects: z.array(projectSchema),
});

const sourceSchema = z.object({
  branch: z.string().max(255).optional(),
  commit: z.string().max(64).optional(),
  message: z.string().max(2000).optional(),
});

export const deploymentSchema: z.ZodType<Deployment> = z.object({
  id: z.string(),
  projectId: z.string(),
  track: z.string(),
  status: z.enum(['pending', 'deploying', 'success', 'failed']),
  isLive: z.boolean(),
  previewHost: z.string(),
  previewUrl: z.string(),
  createdAt: z.string(),
  finishedAt: z.string().nullable(),
  files: z.number(),
  functions: z.number(),
  bytes: z.number(),
  source: sourceSchema.nullable(),
  environmentRevisionId: z.string().nullable(),
  failure: z.string().nullable(),
});

export const deploymentListSchema: z.ZodType<DeploymentList> = z.object({
  deployments: z.array(deploymentSchema),
  next: z.string().nullable(),
});

export const begunDeploymentSchema: z.ZodType<BegunDeployment> = z.object({
  deployment: deploymentSchema,
  missing: z.array(sha256),
  limits: z.object({ maxObjectBytes: z.number(), maxConcurrentUploads: z.number() }),
  warnings: z.array(z.string()),
});

export const missingSchema: z.ZodType<{ missing: string[] }> = z.object({ missing: z.array(sha256) });

export const flipResultSchema: z.ZodType<FlipResult> = z.object({
  outcome: z.enum(['live', 'superseded', 'preview']),
  deployment: deploymentSchema,
  supersededBy: z.string().optional(),
  domains: z.array(z.object({ host: z.string(), url: z.string(), rev: z.number() })),
  acknowledged: z.array(z.string()),
  expired: z.array(z.string()),
  isComplete: z.boolean(),
  durationMs: z.number(),
});

export const domainSchema: z.ZodType<Domain> = z.object({
  host: z.string(),
  url: z.string(),
  kind: z.enum(['track', 'deployment', 'custom']),
  track: z.string().nullable(),
  deploymentId: z.string().nullable(),
  rev: z.number(),
  // Control APIs of before do not speak of it.
  certificate: domainCertificateSchema.nullable().default(null),
});

export const domainListSchema: z.ZodType<{ domains: Domain[] }> = z.object({
  domains: z.array(domainSchema),
});

export const deletedSchema: z.ZodType<Deleted> = z.object({
  kind: z.string(),
  id: z.string(),
  objects: z.number(),
  bytes: z.number(),
});

export const purgeResultSchema: z.ZodType<PurgeResult> = z.object({
  keys: z.number(),
  acknowledged: z.array(z.string()),
  expired: z.array(z.string()),
  isComplete: z.boolean(),
  durationMs: z.number(),
});
