import { z } from 'zod';
import { changeTrackSchema, trackListSchema, trackSchema } from '../../contracts/tracks.ts';
import { changeTrack, listTracks } from '../projects/tracks.ts';
import { projectOperation, type Operation } from './operation.ts';

const project = z.string().min(1).max(100);

export const trackOperations: readonly Operation[] = [
  projectOperation(
    {
      name: 'tracks.list',
      summary: 'Lists the tracks of a project, what they show and how many deployments they keep',
      method: 'GET',
      path: '/projects/:project/tracks',
      right: 'read',
      params: z.object({ project }),
      answer: trackListSchema,
    },
    async (context, input) => ({ tracks: await listTracks(context, input.project) }),
  ),
  projectOperation(
    {
      name: 'tracks.change',
      summary: 'Says how many deployments a track keeps besides the one shown',
      method: 'PATCH',
      path: '/projects/:project/tracks/:name',
      right: 'manage',
      params: z.object({ project, name: z.string().min(1).max(63) }),
      body: changeTrackSchema,
      answer: trackSchema,
    },
    (context, input) =>
      changeTrack(context, { project: input.project, name: input.params.name, body: input.body }),
  ),
];
