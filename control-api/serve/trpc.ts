import { initTRPC, TRPCError, type AnyRouter, type TRPCRouterRecord } from '@trpc/server';
import { fetchRequestHandler } from '@trpc/server/adapters/fetch';
import superjson from 'superjson';
import { z } from 'zod';
import type { Context } from '../context.ts';
import type { Call, Operation } from '../operations/operation.ts';
import { runObserved } from './observe.ts';
import { describeFailure, logUnexpected } from './failures.ts';

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

/** Answers `/trpc/…` in tRPC 11's wire form with superjson, as Origan's services speak it. */
export function createTrpcHandler(
  context: Context,
  operations: readonly Operation[],
): (request: Request) => Promise<Response> {
  const router = createRouter(context, operations);
  return (request) =>
    fetchRequestHandler({
      endpoint: TRPC_PATH,
      req: request,
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
  const procedure = t.procedure.input(z.unknown());
  const run = async ({ ctx, input }: { ctx: RequestContext; input: unknown }): Promise<unknown> => {
    try {
      return await runObserved(context, operation, { ...ctx, ...splitInput(operation, input) });
    } catch (error) {
      throw toTrpcError(context, operation, error);
    }
  };
  return operation.method === 'GET' ? procedure.query(run) : procedure.mutation(run);
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
