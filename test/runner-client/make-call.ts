import { text } from 'node:stream/consumers';
import { silentLogger } from '../../core/log.ts';
import { createRegistry, type Registry } from '../../core/metrics.ts';
import { systemClock, type Clock } from '../../core/clock.ts';
import { readEnvironment } from '../../core/env.ts';
import { z } from 'zod';
import { runnerClientFields, type RunnerClientConfig } from '../../runner-client/config.ts';
import { createRunnerClient } from '../../runner-client/create-runner-client.ts';
import type { FunctionCall, FunctionReply, RunnerClient } from '../../runner-client/runner-client.ts';

/** A call with everything that a test does not care about filled in. */
export function makeCall(over: Partial<FunctionCall> = {}): FunctionCall {
  return {
    deploymentId: 'dep1',
    projectId: 'proj1',
    functionKey: 'deployments/dep1/api.js',
    requestId: 'req-1',
    method: 'GET',
    target: '/api/hello?x=1',
    headers: [['Host', 'demo.example']],
    body: null,
    signal: new AbortController().signal,
    ...over,
  };
}

export function readClientConfig(env: Record<string, string>): RunnerClientConfig {
  return readEnvironment('test', z.object(runnerClientFields), env);
}

const clients: RunnerClient[] = [];

/** Limits for tests of what happens past them. */
export const IMPATIENT: Readonly<Record<string, string>> = {
  RUNNER_CONNECT_TIMEOUT_MS: '300',
  RUNNER_FIRST_BYTE_TIMEOUT_MS: '300',
  RUNNER_IDLE_TIMEOUT_MS: '300',
};

/** A client, closed by `closeClients`. Its limits are long: a machine that stands still for a moment is no runner that hangs. */
export function makeClient(
  urls: string | readonly string[],
  env: Record<string, string> = {},
  parts: { clock?: Clock; registry?: Registry } = {},
): RunnerClient {
  const config = readClientConfig({
    RUNNER_URL: [urls].flat().join(','),
    RUNNER_CONNECT_TIMEOUT_MS: '60000',
    RUNNER_FIRST_BYTE_TIMEOUT_MS: '60000',
    RUNNER_IDLE_TIMEOUT_MS: '60000',
    ...env,
  });
  const client = createRunnerClient(config, {
    log: silentLogger(),
    registry: createRegistry(),
    clock: systemClock,
    ...parts,
  });
  clients.push(client);
  return client;
}

export async function closeClients(): Promise<void> {
  await Promise.all(clients.splice(0).map((client) => client.close()));
}

export async function readBody(reply: FunctionReply): Promise<string> {
  return text(reply.body);
}

/** The code of the EdgeError that the promise is rejected with, or what it was instead. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'resolved';
  } catch (error) {
    return String((error as { code?: unknown }).code ?? error);
  }
}
