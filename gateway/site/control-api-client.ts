import { createTRPCUntypedClient, httpLink, TRPCClientError } from '@trpc/client';
import superjson from 'superjson';
import type { Loaded } from '../../cache/lookup.ts';
import { recentBuildsSchema, type RecentBuild } from '../../contracts/recent-builds.ts';
import { parseSiteRecord, type SiteRecord } from '../../contracts/site.ts';
import { EdgeError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';

// What the control API answers for a domain whose deployment has no manifest yet: not kept for long.
const EMPTY_CONFIG_TTL_MS = 5000;
const RECENT_BUILDS = 'deployments.getRecentByDomain';

export type ControlApiClient = {
  /** What a host shows, from the source of truth. Throws EdgeError CONTROL_API_FAILED: failed is not unknown. */
  lookUpDomain(host: string, signal: AbortSignal): Promise<Loaded<SiteRecord>>;
  /** The builds that the host showed before, newest first; none where the control API does not know them. */
  recentBuilds(host: string): Promise<RecentBuild[]>;
};

export type ControlApiClientOptions = {
  url: string;
  /** `deployments.getConfigByDomain`, or `deployments.getConfig` as the specification calls it. */
  procedure: string;
  timeoutMs: number;
  log: Logger;
};

/** Speaks Origan's wire form: tRPC 11, GET, no batch, superjson. */
export function createControlApiClient(options: ControlApiClientOptions): ControlApiClient {
  const client = createTRPCUntypedClient({
    links: [httpLink({ url: `${options.url}/trpc`, transformer: superjson })],
  });
  const logWarnings = createWarningLog(options.log);
  return {
    lookUpDomain: async (host, signal) => {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]);
      try {
        const reply = await client.query(options.procedure, { domain: host }, { signal: deadline });
        return readReply(reply, logWarnings);
      } catch (error) {
        if (isNotFound(error)) return { kind: 'absent' };
        if (error instanceof EdgeError) throw error;
        throw new EdgeError('CONTROL_API_FAILED', { cause: error, detail: messageOf(error) });
      }
    },
    recentBuilds: async (host) => {
      const signal = AbortSignal.timeout(options.timeoutMs);
      try {
        const reply = await client.query(RECENT_BUILDS, { domain: host }, { signal });
        return recentBuildsSchema.parse(reply).builds;
      } catch (error) {
        // Origan's own control API has no such procedure.
        if (isNotFound(error)) return [];
        throw new EdgeError('CONTROL_API_FAILED', { cause: error, detail: messageOf(error) });
      }
    },
  };
}

function readReply(reply: unknown, logWarnings: WarningLog): Loaded<SiteRecord> {
  const parsed = parseSiteRecord(reply);
  if (parsed.kind === 'invalid') throw new EdgeError('CONTROL_API_FAILED', { detail: parsed.problem });
  const { site, warnings } = parsed;
  if (warnings.length > 0) logWarnings(site.deploymentId, warnings);
  const isEmpty = site.config.resources.length === 0;
  return { kind: 'found', value: site, rev: site.rev, ...(isEmpty ? { ttlMs: EMPTY_CONFIG_TTL_MS } : {}) };
}

function isNotFound(error: unknown): boolean {
  if (!(error instanceof TRPCClientError)) return false;
  const data: unknown = error.data;
  return typeof data === 'object' && data !== null && 'code' in data && data.code === 'NOT_FOUND';
}

type WarningLog = (deploymentId: string, warnings: string[]) => void;

const MAX_REMEMBERED = 1000;
const MAX_WARNINGS_SHOWN = 10;

/** Once per deployment: a broken manifest is asked for again and again. */
function createWarningLog(log: Logger): WarningLog {
  const warned = new Set<string>();
  return (deploymentId, warnings) => {
    if (warned.has(deploymentId)) return;
    if (warned.size >= MAX_REMEMBERED) warned.clear();
    warned.add(deploymentId);
    const shown = warnings.slice(0, MAX_WARNINGS_SHOWN);
    log.warn({ deploymentId, warnings: shown, count: warnings.length }, 'manifest with problems');
  };
}
