import type { Readable } from 'node:stream';
import type { FunctionLogLine } from '../contracts/function-logs.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import { parseOutput } from './parse-output.ts';
import { readLines } from './read-lines.ts';
import { TokenBucket, type Rate } from './token-bucket.ts';

const MAX_LINE_BYTES = 16 * 1024;

/** Lines a second that a deployment may write on average, and at once after a quiet time. */
export const LINE_RATE: Rate = { perSecond: 200, atOnce: 1000 };

/** Whose process writes: asked for each line, since a process is started before it belongs to a deployment. */
export type Writer = () => { projectId: string; deploymentId: string } | undefined;

/** Where lines go that the deployment's owner may read. Never waits and never throws. */
export type LogSink = {
  add(deploymentId: string, line: FunctionLogLine): void;
  /** One more line of the deployment was not even read. */
  drop(deploymentId: string): void;
};

/**
 * Forwards what the functions of a process print: to its owner's log, and as one record each to the runner's own, with
 * the ids that the supervisor knows. The text of the function is one string of it and cannot add or change a field. Too
 * many lines are counted, not kept.
 */
export function forwardLogs(
  source: Readable,
  options: { log: Logger; clock: Clock; writer: Writer; sink: LogSink },
): void {
  const { log, clock, writer, sink } = options;
  const bucket = new TokenBucket(LINE_RATE, clock);
  let dropped = 0;
  readLines(source, MAX_LINE_BYTES, (line) => {
    const owner = writer();
    if (!bucket.take()) {
      dropped += 1;
      if (owner !== undefined) sink.drop(owner.deploymentId);
      return;
    }
    const { source: from, ...output } = parseOutput(line);
    const { level, message, requestId } = output;
    const more = {
      ...(requestId === undefined ? {} : { requestId }),
      ...(dropped > 0 ? { droppedLines: dropped } : {}),
    };
    log[level]({ ...owner, output: message, ...more }, 'function output');
    dropped = 0;
    if (owner === undefined || from === undefined) return;
    sink.add(owner.deploymentId, { timeMs: clock.nowMs(), source: from, ...output });
  });
}
