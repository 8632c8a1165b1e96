import type { z } from 'zod';
import { deploymentMetadataSchema, type DeploymentMetadata } from '../contracts/metadata.ts';
import type { SiteRecord } from '../contracts/site.ts';
import { parseSiteRecord } from '../contracts/site.ts';

/** One row of the catalogue. */
export type KeyFamily<Value> = {
  /** Name of the family: a metric label. */
  name: string;
  /** Reads a stored value; undefined when it does not parse, which is a miss. */
  parse(input: unknown): Value | undefined;
  /** Freshness in milliseconds; undefined means it does not expire. */
  freshMs: number | undefined;
};

/** A key of the catalogue: the compiler ties it to the type of its value. */
export type CacheKey<Value> = { family: KeyFamily<Value>; name: string };

const schemaFamily = <Value>(name: string, schema: z.ZodType<Value>, freshMs?: number): KeyFamily<Value> => ({
  name,
  freshMs,
  parse: (input) => schema.safeParse(input).data,
});

const domainFamily: KeyFamily<SiteRecord> = {
  name: 'domain',
  freshMs: 300_000,
  parse: (input) => {
    const parsed = parseSiteRecord(input);
    return parsed.kind === 'valid' ? parsed.site : undefined;
  },
};

const metadataFamily: KeyFamily<DeploymentMetadata> = schemaFamily('metadata', deploymentMetadataSchema);

/** Builds every key that the system uses. */
export const keys = {
  /** What a host shows. `host` is normalised, see core/host.ts. */
  domain: (host: string): CacheKey<SiteRecord> => ({ family: domainFamily, name: `domain:${host}` }),
  /** What the runner needs to know about a deployment. */
  deploymentMetadata: (id: string): CacheKey<DeploymentMetadata> => ({
    family: metadataFamily,
    name: `deployment:${id}:metadata`,
  }),
} as const;
