import { z } from 'zod';
import type {
  AddDomain,
  BeginDeployment,
  CreateProject,
  FinishDeployment,
  Promote,
  Purge,
  Rollback,
} from './control-api.ts';
import { manifestJsonSchema, parseManifest, type Manifest } from './manifest.ts';

// What the control API accepts, also usable by a client to check before it sends.

/** Names of projects: a DNS label that begins with a letter. */
export const projectNameSchema: z.ZodType<string> = z
  .string()
  .regex(/^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'must be 1 to 63 of a-z, 0-9 and -, beginning with a letter');

/**
 * Names of tracks become part of a DNS label (`{track}--{ref}`), so they are short and hold no `--`; eight hex
 * digits would look like a deployment's preview host.
 */
export const trackNameSchema: z.ZodType<string> = z
  .string()
  .regex(/^(?!.*--)[a-z0-9](?:[a-z0-9-]{0,49}[a-z0-9])?$/, 'must be 1 to 51 of a-z, 0-9 and single -')
  .refine((name) => !/^[0-9a-f]{8}$/.test(name), 'must not look like the id of a deployment');

const hostText = z.string().min(1).max(300);

export const createProjectSchema: z.ZodType<CreateProject> = z.strictObject({
  name: projectNameSchema,
  organization: z.string().min(1).max(100).optional(),
});

const sourceSchema = z.object({
  branch: z.string().max(255).optional(),
  commit: z.string().max(64).optional(),
  message: z.string().max(2000).optional(),
});

const description =
  'What the deployment consists of. Every resource of a new one needs `hash` (SHA-256, lower-case hex) and `size` (bytes); `objects` and `encodings` are set by the control API.';

// Unlike a manifest read back from a bucket, one that arrives for a new deployment must be right in every part.
const strictManifest: z.ZodType<Manifest> = z
  .unknown()
  .transform((input, context) => {
    const parsed = parseManifest(input);
    const problems = parsed.kind === 'valid' ? parsed.warnings : [parsed.problem];
    for (const problem of problems) context.addIssue(problem);
    return parsed.kind === 'valid' && problems.length === 0 ? parsed.manifest : z.NEVER;
  })
  .meta({ ...manifestJsonSchema(), description });

export const beginDeploymentSchema: z.ZodType<BeginDeployment> = z.strictObject({
  manifest: strictManifest,
  track: trackNameSchema.optional(),
  domains: z.array(hostText).max(100).optional(),
  source: sourceSchema.optional(),
});

export const finishDeploymentSchema: z.ZodType<FinishDeployment> = z.strictObject({
  flip: z.boolean().optional(),
});

export const promoteSchema: z.ZodType<Promote> = z.strictObject({ track: trackNameSchema.optional() });

export const rollbackSchema: z.ZodType<Rollback> = z.strictObject({
  track: trackNameSchema.optional(),
  deploymentId: z.uuid().optional(),
});

export const addDomainSchema: z.ZodType<AddDomain> = z.strictObject({
  host: hostText,
  track: trackNameSchema.optional(),
});

const isSoft = z.boolean().optional();

export const purgeSchema: z.ZodType<Purge> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('domain'), host: hostText, isSoft }),
  z.strictObject({ kind: z.literal('deployment'), deploymentId: z.uuid(), isSoft }),
  z.strictObject({
    kind: z.literal('urls'),
    urls: z
      .array(
        z
          .url({ protocol: /^https?$/, error: 'must be an address such as https://www.example.com/api/news' })
          .max(8192),
      )
      .min(1)
      .max(64),
    isSoft,
  }),
  z.strictObject({
    kind: z.literal('tags'),
    tags: z.array(z.string().min(1).max(1024)).min(1).max(64),
    isSoft,
  }),
  z.strictObject({
    kind: z.literal('keys'),
    keys: z.array(z.string().min(1).max(1024)).min(1).max(64),
    isSoft,
  }),
  z.strictObject({ kind: z.literal('project'), isSoft }),
]);
