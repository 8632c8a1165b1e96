import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { EdgeError } from '../../core/errors.ts';
import { failBody } from './body-fault.ts';
import { lingerAndClose } from './linger.ts';

/** Requests that one connection may have sent ahead of their answers; nobody honest comes near. */
const MAX_PIPELINED = 100;

type Running = { incoming: IncomingMessage; outgoing: ServerResponse; begin: () => void };

/** One client connection: the requests on it, in turn, and what is to become of it. */
export class Connection {
  /** Over the limit of its client: told so at once, whatever it sends is not looked at. */
  isRefused = false;
  readonly #socket: Socket;
  /** In the order of their arrival: the first is being answered, the others wait. */
  readonly #running: Running[] = [];
  #bytesAtRest = 0;
  #pendingSinceMs: number | undefined;
  #isBroken = false;
  #isClosing = false;
  #isOver = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /**
   * Takes a request; `begin` is called when those before it on this connection are answered. One at a time: side by side
   * would be allowed for safe methods only (RFC 9112 section 9.3.2), and gives one client many places.
   */
  enter(incoming: IncomingMessage, outgoing: ServerResponse, begin: () => void): void {
    if (this.#isOver) {
      // Read and dropped while the connection lingers.
      incoming.resume();
      return;
    }
    if (this.#isClosing) outgoing.shouldKeepAlive = false;
    outgoing.once('close', this.#leave);
    if (this.#running.push({ incoming, outgoing, begin }) === 1) begin();
    else if (this.#running.length > MAX_PIPELINED) this.#socket.destroy();
  }

  /**
   * The parser cannot go on. A body that broke is answered by its own request; what came after a whole request is
   * refused when that one is answered, since its answer comes first.
   */
  fail(problem: EdgeError, refuse: () => void): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    const last = this.#running.at(-1);
    if (last === undefined) refuse();
    else if (last.incoming.complete) last.outgoing.once('finish', refuse);
    else failBody(last.incoming, problem);
  }

  /** Nothing has moved on the socket for the idle time: whose turn is it? */
  onIdle(): void {
    const last = this.#running.at(-1);
    if (last === undefined || this.#socket.writableLength > 0) {
      // Kept alive for nothing, or a client that does not read its answer.
      this.#socket.destroy();
      return;
    }
    const { complete, readableFlowing, readableLength } = last.incoming;
    const isClientsTurn = !complete && readableFlowing === true && readableLength === 0;
    // A tunnel may be silent for as long as both ends want.
    if (isClientsTurn && !isUpgrade(last.incoming)) {
      failBody(last.incoming, new EdgeError('REQUEST_TIMEOUT', { detail: 'the body stopped coming' }));
    }
    // The timer has run out for good until something moves: it is wound up for the next turn.
    this.#socket.setTimeout(this.#socket.timeout ?? 0);
  }

  /**
   * Whether something has come and no request has begun to run, for longer than `limitMs`; asked again and again. Node counts
   * the time of a head from its first letter: empty lines before it, which the parser skips, could come for ever.
   */
  isOverdue(nowMs: number, limitMs: number): boolean {
    // A connection on its way out lingers by a limit of its own.
    if (this.isRunning || this.isIdle || this.#isOver) this.#pendingSinceMs = undefined;
    else this.#pendingSinceMs ??= nowMs;
    return this.#pendingSinceMs !== undefined && nowMs - this.#pendingSinceMs > limitMs;
  }

  /** Lets what runs finish, and closes as soon as nothing does. */
  closeWhenDone(): void {
    this.#isClosing = true;
    for (const { outgoing } of this.#running) {
      if (!outgoing.headersSent) outgoing.shouldKeepAlive = false;
    }
    if (this.isIdle) lingerAndClose(this.#socket);
  }

  /** Whether no request runs and none is on its way. */
  get isIdle(): boolean {
    return this.#running.length === 0 && this.#socket.bytesRead === this.#bytesAtRest;
  }

  /** Whether a request that comes now is the only one, and others may follow it. */
  get isFree(): boolean {
    return this.#running.length === 0 && !this.#isOver && !this.#isClosing && !this.#isBroken;
  }

  /** A request was answered on the spot, without having been entered. */
  rest(): void {
    this.#bytesAtRest = this.#socket.bytesRead;
  }

  get isRunning(): boolean {
    return this.#running.length > 0;
  }

  readonly #leave = (): void => {
    const done = this.#running.shift();
    if (this.#socket.destroyed) return;
    // The last answer of the connection is out (RFC 9112 section 9.6): what was sent ahead after it counts for nothing.
    if (done?.outgoing.shouldKeepAlive === false) {
      this.#isOver = true;
      this.#running.length = 0;
      return;
    }
    const next = this.#running[0];
    if (next !== undefined) {
      next.begin();
      return;
    }
    this.#bytesAtRest = this.#socket.bytesRead;
    if (this.#isClosing) lingerAndClose(this.#socket);
  };
}

/** Set by Node, unknown to its types. */
export function isUpgrade(incoming: IncomingMessage & { upgrade?: boolean | null }): boolean {
  return incoming.upgrade === true;
}
