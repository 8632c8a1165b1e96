import { z } from 'zod';
import { isSafeId } from '../core/object-path.ts';
import { parseManifest, type Manifest } from './manifest.ts';

/** What a domain shows: the value of `domain:{host}` and the answer of the control API's look-up. */
export type SiteRecord = {
  deploymentId: string;
  projectId: string;
  config: Manifest;
  /** Revision of the mapping; only grows. Absent in replies of a control API that knows no revisions. */
  rev?: number | undefined;
};

const frame = z.object({
  deploymentId: z.string().refine(isSafeId, 'is no safe id'),
  projectId: z.string().refine(isSafeId, 'is no safe id'),
  rev: z.number().int().nonnegative().optional(),
  config: z.unknown(),
});

export type ParsedSiteRecord =
  | { kind: 'valid'; site: SiteRecord; warnings: string[] }
  | { kind: 'invalid'; problem: string };

/** Reads a site record from outside (control API, cache); see parseManifest for what is tolerated. */
export function parseSiteRecord(input: unknown): ParsedSiteRecord {
  const outer = frame.safeParse(input);
  if (!outer.success) return { kind: 'invalid', problem: z.prettifyError(outer.error) };
  const inner = parseManifest(outer.data.config);
  if (inner.kind === 'invalid') return inner;
  const { deploymentId, projectId, rev } = outer.data;
  const site: SiteRecord = {
    deploymentId,
    projectId,
    config: inner.manifest,
    ...(rev === undefined ? {} : { rev }),
  };
  return { kind: 'valid', site, warnings: inner.warnings };
}
