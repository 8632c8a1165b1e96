import { z } from 'zod';
import { isSafeId } from '../core/object-path.ts';

/**
 * What the runner needs to know about a deployment: `deployment:{id}:metadata` in the cache and
 * `deployments/{id}/metadata.json` in the bucket. The environment is either sealed (see sealed-environment.ts)
 * or, as Origan writes it today, in clear.
 */
export type DeploymentMetadata = {
  deploymentId: string;
  projectId: string;
  environmentRevisionId: string | null;
  /** ISO 8601. */
  createdAt: string;
  /** Clear-text environment; absent when it is sealed. */
  environmentVariables?: Record<string, string> | undefined;
  /** AES-256-GCM over the JSON of the environment, base64url; absent when it is in clear. */
  sealedEnvironment?: string | undefined;
  /** Functions by resourcePath: the object's full key and the SHA-256 of the code. */
  functions?: Record<string, { key: string; hash: string }> | undefined;
};

export const deploymentMetadataSchema: z.ZodType<DeploymentMetadata> = z.object({
  deploymentId: z.string().refine(isSafeId, 'is no safe id'),
  projectId: z.string().refine(isSafeId, 'is no safe id'),
  environmentRevisionId: z.string().nullable().default(null),
  createdAt: z.string(),
  environmentVariables: z.record(z.string(), z.string()).optional(),
  sealedEnvironment: z.string().optional(),
  functions: z
    .record(z.string(), z.object({ key: z.string(), hash: z.string().regex(/^[0-9a-f]{64}$/) }))
    .optional(),
});
