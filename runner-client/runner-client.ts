import type { Readable } from 'node:stream';
import type { Duplex } from 'node:stream';

/** Names and values in the order and case in which they go over the wire; a name may appear more than once. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

export type FunctionCall = {
  deploymentId: string;
  projectId: string;
  /** Full key of the code in the bucket. */
  functionKey: string;
  functionHash?: string | undefined;
  /** Base64url JSON of the metadata, see the contract; undefined where the runner should read it itself. */
  metadata?: string | undefined;
  requestId: string;
  method: string;
  /** Path and query exactly as they go to the function. */
  target: string;
  /** End-to-end headers, hop-by-hop and platform headers already removed. */
  headers: HeaderList;
  /** Streamed with backpressure; null when the request has no body. */
  body: Readable | null;
  /** Aborting it ends the call at once, whatever its state. */
  signal: AbortSignal;
  /** Called for each 1xx interim response before the answer. */
  onInformational?: ((status: number, headers: HeaderList) => void) | undefined;
};

/** A function to get ready, as FunctionCall names it. */
export type FunctionName = Pick<
  FunctionCall,
  'deploymentId' | 'projectId' | 'functionKey' | 'functionHash' | 'metadata' | 'requestId' | 'signal'
>;

export type FunctionReply = {
  status: number;
  /** End-to-end headers; several Set-Cookie stay several. */
  headers: HeaderList;
  /** Destroying it aborts the call. It errors with EdgeError RUNNER_BROKE_OFF or RUNNER_TIMEOUT (idle limit). */
  body: Readable;
};

export type UpgradeReply =
  | { kind: 'switched'; headers: HeaderList; socket: Duplex; head: Buffer }
  | { kind: 'refused'; reply: FunctionReply };

/**
 * Calls functions on the runners. Throws EdgeError: RUNNER_UNREACHABLE (502), RUNNER_BROKE_OFF (502),
 * RUNNER_TIMEOUT (504), RUNNER_OVERLOADED (503). An answer of the application, whatever its status, is a reply.
 */
export type RunnerClient = {
  call(call: FunctionCall): Promise<FunctionReply>;
  /** Passes a protocol upgrade (WebSocket) through; `call.headers` hold Upgrade and Connection. */
  upgrade(call: FunctionCall): Promise<UpgradeReply>;
  /**
   * Has the deployment's runner get the function ready (code on disk, and an isolate where there is room), so that its
   * first call is not a cold one. No code of the function runs. Answers whether it worked; never throws. Asks only runners
   * that have shown that they know how, in an answer to an earlier call.
   */
  prefetch(name: FunctionName): Promise<boolean>;
  close(): Promise<void>;
};
