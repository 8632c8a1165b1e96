import { z } from 'zod';
import { recentBuildsSchema } from '../../contracts/recent-builds.ts';
import { recentBuildsOf } from '../deployments/recent-by-host.ts';
import { Failure } from '../failure.ts';
import { publicOperation, type Operation } from './operation.ts';

const NAMES = ['deployments.getConfigByDomain', 'deployments.getConfig'] as const;

const domainParams: z.ZodObject<{ domain: z.ZodString }> = z.object({ domain: z.string().min(1).max(300) });

const site = z.object({
  config: z.unknown(),
  deploymentId: z.string(),
  projectId: z.string(),
  rev: z.number(),
});

const siteOperations: readonly Operation[] = NAMES.map((name) =>
  publicOperation(
    {
      name,
      summary: 'Which deployment a host shows, and its manifest',
      method: 'GET',
      path: undefined,
      params: domainParams,
      answer: site,
    },
    async (context, { params }) => {
      const found = await context.sites.read(params.domain);
      if (found !== undefined) return found;
      throw new Failure('NOT_FOUND', `Nothing is deployed at ${JSON.stringify(params.domain)}.`);
    },
  ),
);

const recentOperation: Operation = publicOperation(
  {
    name: 'deployments.getRecentByDomain',
    summary: 'Which deployments a host showed before the present one',
    method: 'GET',
    path: undefined,
    params: domainParams,
    answer: recentBuildsSchema,
  },
  async (context, { params }) => ({ builds: await recentBuildsOf(context, params.domain) }),
);

/**
 * What gateways ask, without a token as they always have: every answer is public anyway, since it can be told from the
 * site itself. The specification uses the second name.
 */
export const gatewayOperations: readonly Operation[] = [...siteOperations, recentOperation];
