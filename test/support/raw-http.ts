import { connect, type Socket } from 'node:net';
import { mayGoUnawaited } from './may-go-unawaited.ts';

/** One response as it came over the wire. */
export type RawResponse = {
  status: number;
  statusLine: string;
  /** Names and values in order, names in lower case. */
  headers: [name: string, value: string][];
  /** All values of a header. */
  all(name: string): string[];
  /** The one value of a header; undefined when absent. Throws when there are several. */
  header(name: string): string | undefined;
  body: Buffer;
  text: string;
  /** Whether the framing says that nothing is missing. A body that only the connection's end ends counts as complete. */
  isComplete: boolean;
};

/** A client that sends bytes as they are, for what no HTTP library would send. */
export type RawClient = {
  readonly socket: Socket;
  /** Writes text (Latin-1) or bytes. */
  send(bytes: string | Buffer): void;
  /** The next response, interim ones (1xx) included; rejects when the connection ends before its head. */
  response(options?: { toHead?: boolean }): Promise<RawResponse>;
  /** Resolves with everything received and not yet taken when the connection has ended. */
  ended(): Promise<Buffer>;
  /** Resolves when at least this text has arrived; answers all that has. */
  received(text: string): Promise<string>;
  /** Whether the connection was reset rather than ended. */
  wasReset(): boolean;
  close(): void;
};

type State = { buffer: Buffer; isEnded: boolean; wasReset: boolean; waiting: Set<() => void> };

/** @param options.staysOpen keep this side open when the server ends its side, as no proper client does. */
export async function openRaw(port: number, options: { staysOpen?: boolean } = {}): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: options.staysOpen === true });
  const state: State = { buffer: Buffer.alloc(0), isEnded: false, wasReset: false, waiting: new Set() };
  const wake = (): void => {
    for (const each of state.waiting) each();
  };
  socket.on('data', (chunk: Buffer) => {
    state.buffer = Buffer.concat([state.buffer, chunk]);
    wake();
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    state.wasReset ||= error.code === 'ECONNRESET';
  });
  const onEnd = (): void => {
    state.isEnded = true;
    wake();
  };
  socket.on('end', onEnd).on('close', onEnd);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve).once('error', reject);
  });
  const until = <Result>(look: () => Result | undefined): Promise<Result> =>
    mayGoUnawaited(waitUntil(state, look));
  return {
    socket,
    send: (bytes) => void socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes),
    response: ({ toHead = false } = {}) => until(() => takeResponse(state, toHead)),
    ended: () => until(() => (state.isEnded ? state.buffer : undefined)),
    received: (text) => until(() => textWith(state, text)),
    wasReset: () => state.wasReset,
    close: () => socket.destroy(),
  };
}

/** Sends the bytes on a connection of its own and answers the first final response. */
export function exchangeRaw(
  port: number,
  bytes: string | Buffer,
  options: { toHead?: boolean } = {},
): Promise<RawResponse & { isClosed: boolean }> {
  return mayGoUnawaited(exchange(port, bytes, options));
}

async function exchange(
  port: number,
  bytes: string | Buffer,
  options: { toHead?: boolean },
): Promise<RawResponse & { isClosed: boolean }> {
  const client = await openRaw(port);
  try {
    client.send(bytes);
    let response = await client.response(options);
    while (response.status < 200) response = await client.response(options);
    const isClosed = response.header('connection')?.toLowerCase() === 'close';
    if (isClosed) await client.ended();
    return { ...response, isClosed };
  } finally {
    client.close();
  }
}

function waitUntil<Result>(state: State, look: () => Result | undefined): Promise<Result> {
  return new Promise((resolve, reject) => {
    const check = (): void => {
      const found = look();
      if (found === undefined && !state.isEnded) return;
      state.waiting.delete(check);
      if (found === undefined) {
        reject(
          new Error(`the connection ended, having said: ${JSON.stringify(state.buffer.toString('latin1'))}`),
        );
      } else resolve(found);
    };
    state.waiting.add(check);
    check();
  });
}

function textWith(state: State, wanted: string): string | undefined {
  const text = state.buffer.toString('latin1');
  return text.includes(wanted) ? text : undefined;
}

function takeResponse(state: State, isHead: boolean): RawResponse | undefined {
  const end = state.buffer.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const [statusLine = '', ...lines] = state.buffer.toString('latin1', 0, end).split('\r\n');
  const status = Number(statusLine.split(' ')[1]);
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  const all = (name: string): string[] => headers.filter(([each]) => each === name).map(([, value]) => value);
  const header = (name: string): string | undefined => {
    const values = all(name);
    if (values.length > 1) throw new Error(`${name} came ${values.length} times`);
    return values[0];
  };
  const hasNoBody = isHead || status < 200 || status === 204 || status === 304;
  const rest = state.buffer.subarray(end + 4);
  const body = hasNoBody
    ? { bytes: Buffer.alloc(0), used: 0, isComplete: true }
    : takeBody(rest, header, state.isEnded);
  if (body === undefined) return undefined;
  state.buffer = rest.subarray(body.used);
  const { bytes, isComplete } = body;
  return { status, statusLine, headers, all, header, body: bytes, text: bytes.toString(), isComplete };
}

type Body = { bytes: Buffer; used: number; isComplete: boolean };

function takeBody(
  rest: Buffer,
  header: (name: string) => string | undefined,
  isEnded: boolean,
): Body | undefined {
  if (header('transfer-encoding') === 'chunked') return takeChunks(rest, isEnded);
  const length = header('content-length');
  if (length === undefined) return isEnded ? { bytes: rest, used: rest.length, isComplete: true } : undefined;
  const wanted = Number(length);
  if (rest.length >= wanted) return { bytes: rest.subarray(0, wanted), used: wanted, isComplete: true };
  return isEnded ? { bytes: rest, used: rest.length, isComplete: false } : undefined;
}

function takeChunks(rest: Buffer, isEnded: boolean): Body | undefined {
  const chunks: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', at);
    const size = lineEnd === -1 ? Number.NaN : Number.parseInt(rest.toString('latin1', at, lineEnd), 16);
    const next = lineEnd + 2 + size + 2;
    if (Number.isNaN(size) || next > rest.length) break;
    if (size === 0) return { bytes: Buffer.concat(chunks), used: next, isComplete: true };
    chunks.push(rest.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = next;
  }
  return isEnded ? { bytes: Buffer.concat(chunks), used: rest.length, isComplete: false } : undefined;
}
