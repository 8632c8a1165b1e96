import type { Clock } from '../core/clock.ts';
import { EdgeError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Registry } from '../core/metrics.ts';
import { CallLimits } from './call-limits.ts';
import { chooseRunner } from './choose-runner.ts';
import type { RunnerClientConfig } from './config.ts';
import { RUNNER_ERROR_HEADER, RUNNER_HEADER } from './contract.ts';
import { Exchange, type Outcome } from './exchange.ts';
import { RequestBody } from './request-body.ts';
import type {
  FunctionCall,
  FunctionName,
  FunctionReply,
  RunnerClient,
  UpgradeReply,
} from './runner-client.ts';
import { createRunnerMetrics, type CallOutcome, type RunnerMetrics } from './runner-metrics.ts';
import { Runner } from './runner-pool.ts';
import { fieldValue, requestHeaders, type WireCall } from './wire-headers.ts';

/** RFC 9110 section 9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
const MAX_ATTEMPTS = 3;

export type RunnerClientParts = { log: Logger; registry: Registry; clock: Clock };

type Attempt = {
  call: WireCall;
  body: RequestBody | null;
  /** Protocols of an upgrade. */
  upgrade: string | undefined;
  /** Gives the call's place back. */
  release: () => void;
};

/** What one attempt came to, once the runner's own answers are told apart from the function's. */
type Verdict = Outcome | { kind: 'overloaded'; error: EdgeError };

/**
 * A client of the configured runners. Connections are made on demand, so a runner that is down when it starts costs
 * nothing but the calls that come meanwhile.
 */
export function createRunnerClient(config: RunnerClientConfig, parts: RunnerClientParts): RunnerClient {
  return new PooledRunnerClient(config, parts);
}

class PooledRunnerClient implements RunnerClient {
  readonly #config: RunnerClientConfig;
  readonly #parts: RunnerClientParts;
  readonly #runners: readonly Runner[];
  readonly #limits: CallLimits;
  readonly #metrics: RunnerMetrics;

  constructor(config: RunnerClientConfig, parts: RunnerClientParts) {
    this.#config = config;
    this.#parts = parts;
    this.#runners = config.RUNNER_URL.map((url) => new Runner(url, config, parts.clock));
    this.#limits = new CallLimits(config.RUNNER_MAX_CALLS, config.RUNNER_MAX_CALLS_PER_DEPLOYMENT);
    this.#metrics = createRunnerMetrics(parts.registry);
  }

  async call(call: FunctionCall): Promise<FunctionReply> {
    const outcome = await this.#run(call, undefined);
    if (outcome.kind === 'reply') return outcome.reply;
    outcome.socket.destroy();
    throw new EdgeError('RUNNER_BROKE_OFF', { detail: 'the runner switched protocols without being asked' });
  }

  async upgrade(call: FunctionCall): Promise<UpgradeReply> {
    const protocol = fieldValue(call.headers, 'upgrade');
    if (protocol === undefined) throw new EdgeError('BAD_REQUEST', { detail: 'an upgrade without Upgrade' });
    const outcome = await this.#run({ ...call, body: null }, protocol);
    if (outcome.kind === 'reply') return { kind: 'refused', reply: outcome.reply };
    // Bytes that came with the answer are still in the socket: it is paused until somebody reads.
    const { headers, socket } = outcome;
    return { kind: 'switched', headers, socket, head: Buffer.alloc(0) };
  }

  async prefetch(name: FunctionName): Promise<boolean> {
    // Only where it is known to be understood: other runners are not asked for what they would have to refuse.
    const runner = chooseRunner(this.#runners, name.deploymentId, new Set());
    if (runner?.canPrefetch !== true) return false;
    try {
      const empty = { method: 'GET', target: '/', headers: [], body: null };
      const outcome = await this.#run({ ...name, ...empty, isPrefetch: true }, undefined);
      if (outcome.kind !== 'reply') return false;
      outcome.reply.body.destroy();
      return outcome.reply.status === 204;
    } catch {
      // A function that is not ready costs its first caller some time, and nobody else anything.
      return false;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner.pool.destroy()));
  }

  async #run(
    call: WireCall,
    upgrade: string | undefined,
  ): Promise<Extract<Outcome, { kind: 'reply' | 'switched' }>> {
    call.signal.throwIfAborted();
    const startedMs = this.#parts.clock.monotonicMs();
    const verdict = await this.#tryRunners(call, upgrade);
    const seconds = (this.#parts.clock.monotonicMs() - startedMs) / 1000;
    this.#metrics.ended(metricOf(verdict), seconds);
    if (verdict.kind === 'reply' || verdict.kind === 'switched') return verdict;
    throw verdict.error;
  }

  /** Attempts until one is answered or no further one is allowed. */
  async #tryRunners(call: WireCall, upgrade: string | undefined): Promise<Verdict> {
    const excluded = new Set<Runner>();
    let verdict: Verdict | undefined;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const runner = chooseRunner(this.#runners, call.deploymentId, excluded);
      if (runner === undefined) break;
      const release = this.#limits.tryEnter(call.deploymentId);
      if (release === undefined) return { kind: 'overloaded', error: overloaded('too many calls') };
      if (attempt > 1) this.#metrics.retried();
      const body = call.body === null ? null : new RequestBody(call.body);
      verdict = await this.#attempt(runner, { call, body, upgrade, release });
      if (!mayRetry(verdict, call, body)) return verdict;
      // A kept-alive connection that the runner closed just now fails once on a healthy runner: one more try there.
      if (verdict.kind !== 'broke-off' || attempt > 1) excluded.add(runner);
    }
    return verdict ?? { kind: 'unreachable', error: outOfReach() };
  }

  async #attempt(runner: Runner, attempt: Attempt): Promise<Verdict> {
    const { call, body, upgrade, release } = attempt;
    runner.breaker.enter();
    this.#count(runner, 1);
    const exchange = new Exchange(call, () => {
      release();
      this.#count(runner, -1);
    });
    const { RUNNER_SHARED_SECRET: secret } = this.#config;
    runner.pool.dispatch(
      {
        path: runner.basePath + call.target,
        method: call.method,
        headers: requestHeaders(call, secret, this.#parts.clock.nowMs()),
        body,
        upgrade: upgrade ?? null,
      },
      exchange,
    );
    const outcome = withoutMark(await exchange.outcome, () => {
      runner.canPrefetch = true;
    });
    this.#record(runner, outcome, call.deploymentId);
    return asVerdict(outcome);
  }

  #count(runner: Runner, change: 1 | -1): void {
    runner.calls += change;
    this.#metrics.setCalls(runner.name, runner.calls);
  }

  #record(runner: Runner, outcome: Outcome, deploymentId: string): void {
    const { breaker } = runner;
    const wasOpen = breaker.state !== 'closed';
    if (outcome.kind === 'unreachable') breaker.failed();
    else if (outcome.kind === 'timed-out' || outcome.kind === 'broke-off') breaker.failed(deploymentId);
    else if (outcome.kind === 'abandoned') breaker.abandoned();
    else breaker.succeeded();
    const isOpen = breaker.state !== 'closed';
    if (isOpen === wasOpen) return;
    this.#metrics.setBreaker(runner.name, isOpen);
    if (isOpen)
      this.#parts.log.warn({ runner: runner.name, reason: outcome.kind }, 'a runner does not answer');
    else this.#parts.log.info({ runner: runner.name }, 'a runner answers again');
  }
}

/**
 * Whether another attempt cannot do harm: the runner saw nothing of the request, refused to begin with it, or the method
 * is idempotent; and the body, where there is one, was not touched. Never on a time-out, which the client has waited for.
 */
function mayRetry(verdict: Verdict, call: FunctionCall, body: RequestBody | null): boolean {
  if (body?.isConsumed === true || call.signal.aborted) return false;
  if (verdict.kind === 'unreachable') return true;
  return (verdict.kind === 'broke-off' || verdict.kind === 'overloaded') && IDEMPOTENT.has(call.method);
}

/** Takes the runner's mark off an answer, and tells that it was there. */
function withoutMark(outcome: Outcome, onMark: () => void): Outcome {
  if (outcome.kind !== 'reply' && outcome.kind !== 'switched') return outcome;
  const { headers } = outcome.kind === 'reply' ? outcome.reply : outcome;
  if (fieldValue(headers, RUNNER_HEADER) === undefined) return outcome;
  onMark();
  const kept = headers.filter(([name]) => name.toLowerCase() !== RUNNER_HEADER);
  if (outcome.kind === 'switched') return { ...outcome, headers: kept };
  return { kind: 'reply', reply: { ...outcome.reply, headers: kept } };
}

/** The runner's own "not now" and "gave up" are not answers of the function; they say that the runner is well. */
function asVerdict(outcome: Outcome): Verdict {
  if (outcome.kind !== 'reply') return outcome;
  const reason = fieldValue(outcome.reply.headers, RUNNER_ERROR_HEADER);
  if (reason === undefined) return outcome;
  if (reason === 'overloaded' || reason === 'draining') {
    outcome.reply.body.destroy();
    return { kind: 'overloaded', error: overloaded(`the runner says that it is ${reason}`) };
  }
  if (reason === 'timeout') {
    outcome.reply.body.destroy();
    const detail = 'the runner gave the function up';
    return { kind: 'timed-out', error: new EdgeError('RUNNER_TIMEOUT', { detail }) };
  }
  return outcome;
}

function metricOf(verdict: Verdict): CallOutcome {
  return verdict.kind === 'reply' ? 'answered' : verdict.kind;
}

function overloaded(detail: string): EdgeError {
  return new EdgeError('RUNNER_OVERLOADED', { detail });
}

function outOfReach(): EdgeError {
  return new EdgeError('RUNNER_UNREACHABLE', { detail: 'every runner is out of reach just now' });
}
