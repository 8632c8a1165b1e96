import { buildConnector, Pool } from 'undici';
import type { Clock } from '../core/clock.ts';
import { Breaker } from './breaker.ts';
import type { RunnerClientConfig } from './config.ts';
import { resetOnAbort } from './reset-on-abort.ts';
import { skipContinue } from './skip-continue.ts';

// A kept-alive connection is closed by whoever waits less: undici obeys the runner's Keep-Alive hint less one second.
const KEEP_ALIVE_MS = 30_000;
const KEEP_ALIVE_MARGIN_MS = 1000;
const MAX_RESPONSE_HEADER_BYTES = 64 * 1024;

/** One runner: its connections, its breaker and the calls that it carries. */
export class Runner {
  /** Base URL as configured. */
  readonly name: string;
  /** Path before every target, without a trailing slash; mostly empty. */
  readonly basePath: string;
  readonly pool: Pool;
  readonly breaker: Breaker;
  calls = 0;
  /** Whether it has shown that it knows how to get a function ready. */
  canPrefetch = false;

  constructor(url: string, config: RunnerClientConfig, clock: Clock) {
    const { origin, pathname } = new URL(url);
    this.name = url;
    this.basePath = pathname.replace(/\/+$/, '');
    this.breaker = new Breaker(clock);
    this.pool = new Pool(origin, {
      // As many as there are calls, which are bounded: a call waits for no other call's connection.
      connections: null,
      pipelining: 1,
      connect: connector(config.RUNNER_CONNECT_TIMEOUT_MS),
      headersTimeout: config.RUNNER_FIRST_BYTE_TIMEOUT_MS,
      bodyTimeout: config.RUNNER_IDLE_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN_MS,
      maxHeaderSize: MAX_RESPONSE_HEADER_BYTES,
    });
  }

  get isPassable(): boolean {
    return this.breaker.isPassable;
  }
}

function connector(timeoutMs: number): buildConnector.connector {
  const connect = buildConnector({ timeout: timeoutMs });
  return (options, callback) => {
    connect(options, (...result) => {
      if (result[0] === null) {
        skipContinue(result[1]);
        resetOnAbort(result[1]);
      }
      callback(...result);
    });
  };
}
