import { initTRPC, TRPCError, type AnyRouter, type TRPCRouterRecord } from '@trpc/server';
import { fetchRequestHandler } from '@trpc/server/adapters/fetch';
import superjson from 'superjson';
import { z } from 'zod';
import { authenticate } from '../access/caller.ts';
import type { Context } from '../context.ts';
import type { Call, Operation } from '../operations/operation.ts';
import { runObserved } from './observe.ts';
import { describeFailure, logUnexpected } from './failures.ts';
import { MAX_BODY_BYTES } from './read-json.ts';

export const TRPC_PATH = '/trpc';

type RequestContext = { authorization: string | undefined; signal: AbortSignal };

const t = initTRPC.context<RequestContext>().create({ transformer: superjson, isDev: false });

// By HTTP status, since that is what tRPC derives its codes' numbers from.
const CODES: Readonly<Record<number, TRPCError['code']>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  412: 'PRECONDITION_FAILED',
  413: 'PAYLOAD_TOO_LARGE',
  422: 'UNPROCESSABLE_CONTENT',
  429: 'TOO_MANY_REQUESTS',
  503: 'SERVICE_UNAVAILABLE',
};

const TOO_LARGE = `A request may have at most ${MAX_BODY_BYTES} bytes.`;

/** Answers `/trpc/…` in tRPC 11's wire form with superjson, as Origan's services speak it. */
export function createTrpcHandler(
  context: Context,
  operations: readonly Operation[],
): (request: Request) => Promise<Response> {
  const router = createRouter(context, operations);
  return (request) =>
    fetchRequestHandler({
      endpoint: TRPC_PATH,
      req: limitBody(request),
      router,
      createContext: () => ({
        authorization: request.headers.get('authorization') ?? undefined,
        signal: request.signal,
      }),
    });
}

function createRouter(context: Context, operations: readonly Operation[]): AnyRouter {
  const record: Record<string, TRPCRouterRecord> = {};
  for (const operation of operations) {
    const [group = '', name = ''] = operation.name.split('.');
    record[group] = { ...record[group], [name]: createProcedure(context, operation) };
  }
  return t.router(record);
}

function createProcedure(context: Context, operation: Operation): TRPCRouterRecord[string] {
  const run = async ({ ctx, input }: { ctx: RequestContext; input: unknown }): Promise<unknown> => {
    try {
      return await runObserved(context, operation, { ...ctx, ...splitInput(operation, input) });
    } catch (error) {
      throw toTrpcError(context, operation, error);
    }
  };
  if (operation.method === 'GET') return t.procedure.input(z.unknown()).query(run);
  // Before the input is read: nobody unknown makes this program hold a body.
  const known = t.procedure.use(async ({ ctx, next }) => {
    const isKnown = await authenticate(context, ctx.authorization).then(
      () => true,
      () => false,
    );
    // Refused by the operation itself, so that the refusal is answered and counted as any other.
    if (!isKnown) await run({ ctx, input: {} });
    return await next();
  });
  return known.input(z.unknown()).mutation(run);
}

/** The request with a body that fails once it is larger than any operation may need. */
function limitBody(request: Request): Request {
  if (request.body === null) return request;
  let bytes = 0;
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes <= MAX_BODY_BYTES) controller.enqueue(chunk);
      else controller.error(new TRPCError({ code: 'PAYLOAD_TOO_LARGE', message: TOO_LARGE }));
    },
  });
  const body = request.body.pipeThrough(counter);
  return new Request(request, { method: request.method, body, duplex: 'half' });
}

/** A procedure has one input: the parameters of the path and the fields of the body side by side. */
function splitInput(operation: Operation, input: unknown): Pick<Call, 'params' | 'readBody'> {
  if (typeof input !== 'object' || input === null) return { params: input ?? {}, readBody: async () => ({}) };
  const entries = Object.entries(input);
  const isParam = ([name]: [string, unknown]): boolean => name in operation.params.shape;
  return {
    params: Object.fromEntries(entries.filter(isParam)),
    readBody: async () => Object.fromEntries(entries.filter((entry) => !isParam(entry))),
  };
}

function toTrpcError(context: Context, operation: Operation, error: unknown): TRPCError {
  const failure = describeFailure(error);
  logUnexpected(context.log, failure, { operation: operation.name });
  return new TRPCError({ code: CODES[failure.status] ?? 'INTERNAL_SERVER_ERROR', message: failure.message });
}
