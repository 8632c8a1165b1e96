import type { Logger } from '../core/log.ts';
import type { ChallengeAnswerer } from './answer-challenge.ts';
import type { FunctionCaller } from './functions/call-function.ts';
import type { TrustedProxies } from './functions/forwarded.ts';
import type { Recorder } from './record.ts';
import type { SiteResolver } from './site/resolve-site.ts';
import type { SkewProtection } from './site/skew-protection.ts';
import type { FileServer } from './static/serve-file.ts';

/** What the steps of a request work with, put together once at start. */
export type Edge = {
  challenges: ChallengeAnswerer;
  sites: SiteResolver;
  skew: SkewProtection;
  files: FileServer;
  /** Whose word counts for what a client asked for. */
  trustedProxies: TrustedProxies;
  functions: FunctionCaller;
  recorder: Recorder;
  log: Logger;
};
