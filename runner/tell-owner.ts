import type { IncomingMessage } from 'node:http';
import type { Clock } from '../core/clock.ts';
import { EdgeError } from '../core/errors.ts';
import { REQUEST_ID_HEADER } from '../runner-client/contract.ts';
import type { LogSink } from './function-logs.ts';
import type { EndReason } from './function-process.ts';
import { limit, pathInDeployment } from './parse-output.ts';
import type { FunctionTarget } from './read-call.ts';

type Call = { target: FunctionTarget; request: IncomingMessage };

/** A line of the platform in the log that the deployment's owner reads: names nothing of the installation. */
export function tellOwner(
  { target, request }: Call,
  { sink, clock }: { sink: LogSink; clock: Clock },
  message: string,
): void {
  const id = request.headers[REQUEST_ID_HEADER];
  sink.add(target.deploymentId, {
    timeMs: clock.nowMs(),
    level: 'error',
    source: 'platform',
    path: pathInDeployment(target.functionKey),
    ...limit(message),
    ...(typeof id === 'string' ? { requestId: id } : {}),
  });
}

const ENDED: Readonly<Partial<Record<EndReason, string>>> = {
  stuck: 'The function computed for too long without a pause: its process was ended.',
  memory: 'The functions of this deployment took more memory than they may: their process was ended.',
  crashed: 'The process of the function ended by itself: out of memory, or a crash.',
};

export function whyBrokeOff(reason: EndReason | undefined): string {
  return ENDED[reason ?? 'closed'] ?? 'The function broke off before it had answered.';
}

const HELD_BACK =
  'The processes of this deployment end one after another: its calls are held back for a while.';
const NO_ROOM = 'The runner had no room for this call: it was answered 503.';

export function whyNotCalled(error: unknown): string {
  const code = error instanceof EdgeError ? error.code : undefined;
  if (code === 'RUNNER_BROKE_OFF') return HELD_BACK;
  return code === 'RUNNER_OVERLOADED' || code === 'DRAINING' ? NO_ROOM : 'The function could not be loaded.';
}
