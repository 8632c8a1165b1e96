import type { CacheConfig } from '../../cache/config.ts';
import type { Protections } from '../../cache/protections.ts';

/** What a gateway process is told to do. */
export type GatewayTask = {
  index: number;
  config: Partial<CacheConfig>;
  protections: Protections;
  controlApiUrl: string;
  hosts: number;
  /** Concurrent askers within the process. */
  callers: number;
  pauseMs: number;
  logLevel: string;
};

/** An observation on its way: host, revision, when it was asked for, 1 if marked as last known good. */
export type Report = [host: number, rev: number, startedAtMs: number, isLastKnownGood: number];
