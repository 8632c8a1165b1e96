import { z } from 'zod';
import { API_PREFIX } from './control-api.ts';

const segment = encodeURIComponent;

export const trackPaths = {
  /** GET: `{ tracks: Track[] }`, by name. */
  tracks: (project: string): string => `${API_PREFIX}/projects/${segment(project)}/tracks`,
  /** PATCH `ChangeTrack`: 200 `Track`, 404 for a track that nothing was ever deployed to. */
  track: (project: string, name: string): string =>
    `${API_PREFIX}/projects/${segment(project)}/tracks/${segment(name)}`,
} as const;

export type Track = {
  name: string;
  url: string;
  /** What it shows; null before the first deployment. */
  deploymentId: string | null;
  /** Complete deployments kept besides the one shown; null: as many as the installation keeps by default. */
  retention: number | null;
  /** The number that counts. */
  kept: number;
};

export type ChangeTrack = { retention: number | null };

const MAX_RETENTION = 100_000;

export const trackSchema: z.ZodType<Track> = z.object({
  name: z.string(),
  url: z.string(),
  deploymentId: z.string().nullable(),
  retention: z.number().nullable(),
  kept: z.number(),
});

export const trackListSchema: z.ZodType<{ tracks: Track[] }> = z.object({ tracks: z.array(trackSchema) });

export const changeTrackSchema: z.ZodType<ChangeTrack> = z.strictObject({
  retention: z.number().int().min(0).max(MAX_RETENTION).nullable(),
});
