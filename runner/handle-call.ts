import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '../core/clock.ts';
import { EdgeError, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { probePeer } from '../core/probe-peer.ts';
import type { CallLimits } from '../runner-client/call-limits.ts';
import { REQUEST_ID_HEADER, RUNNER_HEADER } from '../runner-client/contract.ts';
import type { FunctionReply, HeaderList } from '../runner-client/runner-client.ts';
import { FAILED, OVERLOADED, sendOwnAnswer, TIMED_OUT, type OwnAnswer } from './answers.ts';
import { forwardCall, type Forwarded } from './forward-call.ts';
import type { FunctionMetrics, FunctionOutcome } from './function-metrics.ts';
import type { LogSink } from './function-logs.ts';
import type { FunctionProcess } from './function-process.ts';
import type { Functions } from './functions.ts';
import type { FunctionTarget } from './read-call.ts';
import { tellOwner, whyBrokeOff, whyNotCalled } from './tell-owner.ts';

const NOTHING = Buffer.alloc(0);

export type CallParts = {
  functions: Functions;
  limits: CallLimits;
  metrics: FunctionMetrics;
  token: string;
  log: Logger;
  sink: LogSink;
  clock: Clock;
  /** Called after each cold call's answer has begun. */
  onAnswered: (target: FunctionTarget) => void;
};

/** A request with the connection that carries it; `socket` is the client's connection where it asked for an upgrade. */
export type ClientCall = {
  target: FunctionTarget;
  request: IncomingMessage;
  response: ServerResponse;
  socket?: Duplex | undefined;
};

/** Calls the function and answers the client. Never throws. */
export async function handleCall(call: ClientCall, parts: CallParts): Promise<void> {
  const { target, request, response } = call;
  const release = parts.limits.tryEnter(target.deploymentId);
  if (release === undefined) {
    tellOwner(call, parts, 'There were too many calls at once: this one was answered 503.');
    finish(call, parts, { answer: OVERLOADED, outcome: 'overloaded' });
    return;
  }
  const controller = new AbortController();
  const onClose = (): void => {
    if (!response.writableFinished) controller.abort(new Error('the caller left'));
  };
  (call.socket ?? response).once('close', onClose);
  if (!request.complete) {
    const stopProbing = probePeer(request.socket);
    // Read to its end, a request no longer keeps the runner from hearing that its caller has left.
    request.once('end', stopProbing);
    response.once('close', stopProbing);
  }
  try {
    await callFunction(call, parts, { signal: controller.signal, release });
  } catch (error) {
    release();
    finish(call, parts, explainFailure(error));
    const details = { ...idsOf(target, request), error: messageOf(error) };
    tellOwner(call, parts, whyNotCalled(error));
    if (!(error instanceof EdgeError)) parts.log.warn(details, 'a function cannot be loaded');
    else parts.log.warn({ ...details, code: error.code }, 'a function cannot be called');
  }
}

/** Gets the function ready and answers 204, without a call of it. Never throws. */
export async function handlePrefetch(call: ClientCall, parts: CallParts): Promise<void> {
  try {
    await parts.functions.prefetch(call.target);
    call.response.writeHead(204, { [RUNNER_HEADER]: '1' }).end();
  } catch (error) {
    sendOwnAnswer(call.response, explainFailure(error).answer);
    const details = { ...idsOf(call.target, call.request), error: messageOf(error) };
    parts.log.warn(details, 'a function cannot be made ready');
  }
  parts.onAnswered(call.target);
}

type Running = { signal: AbortSignal; release: () => void };

async function callFunction(call: ClientCall, parts: CallParts, running: Running): Promise<void> {
  const first = await forwardOnce(call, parts, running.signal);
  // Its process was gone before a byte of the request was sent, which no exit has told yet: another one takes it.
  const isUntouched = first.forwarded.kind === 'broke-off' && !first.forwarded.wasSent;
  if (isUntouched) first.process.end('crashed');
  const last = isUntouched ? await forwardOnce(call, parts, running.signal) : first;
  void last.finished.then(running.release);
  parts.onAnswered(call.target);
  await answer(call, parts, last);
}

type Attempt = { forwarded: Forwarded; process: FunctionProcess; finished: Promise<void> };

/** `finished` resolves when the connection to the function is done with the call. */
async function forwardOnce(
  { target, request, socket }: ClientCall,
  parts: CallParts,
  signal: AbortSignal,
): Promise<Attempt> {
  const { functions, token } = parts;
  const process = await functions.enter(target);
  const { promise: finished, resolve } = Promise.withResolvers<void>();
  const onFinished = (): void => {
    functions.leave(process);
    resolve();
  };
  if (signal.aborted) {
    onFinished();
    return { forwarded: { kind: 'abandoned', error: signal.reason }, process, finished };
  }
  // Without a connection to hand over, an Upgrade header is a header like any other, to be ignored.
  const upgrade = socket === undefined ? undefined : request.headers.upgrade;
  const forwarded = await forwardCall(request, { process, token, signal, upgrade, onFinished });
  return { forwarded, process, finished };
}

async function answer(
  call: ClientCall,
  parts: CallParts,
  { forwarded, process }: { forwarded: Forwarded; process: FunctionProcess },
): Promise<void> {
  const details = idsOf(call.target, call.request);
  switch (forwarded.kind) {
    case 'reply':
      parts.metrics.callEnded('answered');
      await sendReply(call.response, forwarded.reply);
      return;
    case 'switched':
      parts.metrics.callEnded('answered');
      tunnel(call, forwarded);
      return;
    case 'threw':
      parts.log.warn({ ...details, error: forwarded.message }, 'a function failed');
      if (!forwarded.isReported) tellOwner(call, parts, forwarded.message);
      finish(call, parts, { answer: FAILED, outcome: 'failed' });
      return;
    case 'timed-out':
      parts.log.warn(details, 'a function did not answer in time');
      tellOwner(call, parts, 'The function did not answer in time.');
      finish(call, parts, { answer: TIMED_OUT, outcome: 'timeout' });
      return;
    case 'broke-off': {
      const wasStuck = process.endReason === 'stuck';
      const { message } = forwarded.error;
      parts.log.warn({ ...details, reason: process.endReason, error: message }, 'a function broke off');
      tellOwner(call, parts, whyBrokeOff(process.endReason));
      finish(
        call,
        parts,
        wasStuck ? { answer: TIMED_OUT, outcome: 'timeout' } : { answer: FAILED, outcome: 'failed' },
      );
      return;
    }
    case 'abandoned':
      parts.metrics.callEnded('abandoned');
      call.response.destroy();
      return;
    default:
      forwarded satisfies never;
  }
}

async function sendReply(response: ServerResponse, { status, headers, body }: FunctionReply): Promise<void> {
  try {
    response.writeHead(status, markedHeaders(headers).flat());
    // Now, not with the first byte of the body: an event stream may be quiet for long. Not by flushHeaders, which writes it as
    // UTF-8 and so changes every byte of a header that is no ASCII.
    response.write(NOTHING);
    await pipeline(body, response);
  } catch {
    // The function broke off or the caller left: the connection has been closed without the end of the body, which is
    // how the caller knows.
    body.destroy();
    response.destroy();
  }
}

/** The function's headers without those in which it would speak in the runner's name, and the runner's mark. */
function markedHeaders(headers: HeaderList): HeaderList {
  const own = headers.filter(([name]) => !name.toLowerCase().startsWith(RUNNER_HEADER));
  return [...own, [RUNNER_HEADER, '1']];
}

/** Hands the two connections to each other. */
function tunnel(
  { socket, response }: ClientCall,
  { headers, socket: upstream }: { headers: HeaderList; socket: Duplex },
): void {
  if (socket === undefined) {
    upstream.destroy();
    response.destroy();
    return;
  }
  response.detachSocket(socket as NonNullable<ServerResponse['socket']>);
  const lines = markedHeaders(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  socket.write(`HTTP/1.1 101 ${STATUS_CODES[101]}\r\n${lines}\r\n`, 'latin1');
  socket.on('error', () => upstream.destroy());
  socket.once('close', () => upstream.destroy());
  upstream.once('close', () => socket.destroy());
  socket.pipe(upstream).pipe(socket);
}

type Failure = { answer: OwnAnswer; outcome: FunctionOutcome };

function finish({ response }: ClientCall, { metrics }: CallParts, failure: Failure): void {
  metrics.callEnded(failure.outcome);
  sendOwnAnswer(response, failure.answer);
}

function explainFailure(error: unknown): Failure {
  const isOverload =
    error instanceof EdgeError && (error.code === 'RUNNER_OVERLOADED' || error.code === 'DRAINING');
  return isOverload ? { answer: OVERLOADED, outcome: 'overloaded' } : { answer: FAILED, outcome: 'failed' };
}

function idsOf(
  { projectId, deploymentId, functionKey }: FunctionTarget,
  { headers }: IncomingMessage,
): object {
  return { projectId, deploymentId, functionKey, requestId: headers[REQUEST_ID_HEADER] };
}
