import type { HttpBindings } from '@hono/node-server';
import { Hono, type Context as HonoContext } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { adminPaths } from '../../contracts/control-api-admin.ts';
import { API_PREFIX, type ApiError } from '../../contracts/control-api.ts';
import { authenticate } from '../access/caller.ts';
import type { Context } from '../context.ts';
import { findObject, uploadObject } from '../deployments/upload-object.ts';
import { Failure } from '../failure.ts';
import { receiveWebhook } from '../github/webhook.ts';
import { allowedProject, type Operation } from '../operations/operation.ts';
import { describeFailure, logUnexpected } from './failures.ts';
import { readHealth } from './health.ts';
import { runObserved } from './observe.ts';
import { describeApi } from './openapi.ts';
import { readBody, readJson } from './read-json.ts';
import { createTrpcHandler, TRPC_PATH } from './trpc.ts';

type Bindings = { Bindings: HttpBindings; Variables: { requestId: string } };
type Request = HonoContext<Bindings>;

const OBJECT_PATH = `${API_PREFIX}/projects/:project/objects/:hash`;
// GitHub's deliveries have 25 MB at most; those of interest here are small.
const MAX_DELIVERY_BYTES = 1_048_576;
const SHA256 = /^[0-9a-f]{64}$/;

/** Every route. The plain HTTP form and the tRPC form run the same operations. */
export function createRoutes(context: Context, operations: readonly Operation[]): Hono<Bindings> {
  const app = new Hono<Bindings>();
  app.onError((error, c) => answerFailure(context, c, error));
  app.notFound((c) =>
    answerFailure(context, c, new Failure('NOT_FOUND', `There is no ${c.req.method} ${c.req.path}.`)),
  );
  app.use(async (c, next) => {
    c.set('requestId', crypto.randomUUID());
    c.header('cache-control', 'no-store');
    await next();
  });
  app.get(`${API_PREFIX}/health`, async (c) => {
    const health = await readHealth(context);
    return c.json(health, health.status === 'down' ? 503 : 200);
  });
  const description = describeApi(operations);
  app.get(`${API_PREFIX}/openapi.json`, (c) => c.json(description));
  const trpc = createTrpcHandler(context, operations);
  app.all(`${TRPC_PATH}/*`, (c) => trpc(c.req.raw));
  app.post(adminPaths.githubWebhook(), async (c) => {
    const answer = await receiveWebhook(context, {
      event: c.req.header('x-github-event'),
      signature: c.req.header('x-hub-signature-256'),
      body: await readBody(c.env.incoming, MAX_DELIVERY_BYTES),
    });
    return c.json(answer);
  });
  app.put(OBJECT_PATH, (c) => putObject(context, c));
  app.get(OBJECT_PATH, (c) => headObject(context, c));
  for (const operation of operations) {
    if (operation.path === undefined) continue;
    app.on(operation.method, `${API_PREFIX}${operation.path}`, (c) => runOperation(context, operation, c));
  }
  return app;
}

async function runOperation(context: Context, operation: Operation, c: Request): Promise<Response> {
  const answer = await runObserved(context, operation, {
    authorization: c.req.header('authorization'),
    params: { ...c.req.query(), ...c.req.param() },
    readBody: async () => (operation.body === undefined ? {} : await readJson(c.env.incoming)),
    signal: c.req.raw.signal,
  });
  return c.json(answer, operation.status);
}

async function putObject(context: Context, c: Request): Promise<Response> {
  const { projectId, hash } = await authorizeObject(context, c);
  const length = c.req.header('content-length');
  if (length === undefined || !/^\d+$/.test(length)) {
    throw new Failure('BAD_REQUEST', 'An upload needs a Content-Length.');
  }
  const size = Number(length);
  if (size > context.config.MAX_OBJECT_BYTES) {
    throw new Failure(
      'BODY_TOO_LARGE',
      `An object may have at most ${context.config.MAX_OBJECT_BYTES} bytes.`,
    );
  }
  const outcome = await uploadObject(context, { projectId, hash, size, body: c.env.incoming });
  context.metrics.uploads.inc({ outcome });
  return c.json({ hash, size }, outcome === 'stored' ? 201 : 200);
}

async function headObject(context: Context, c: Request): Promise<Response> {
  const { projectId, hash } = await authorizeObject(context, c);
  const found = await findObject(context, projectId, hash);
  if (found?.state !== 'stored') throw new Failure('NOT_FOUND', 'There is no such object.');
  return c.json({ hash, size: found.size });
}

async function authorizeObject(context: Context, c: Request): Promise<{ projectId: string; hash: string }> {
  const caller = await authenticate(context, c.req.header('authorization'));
  const project = await allowedProject(context, caller, c.req.param('project') ?? '', 'deploy');
  const hash = c.req.param('hash') ?? '';
  if (!SHA256.test(hash))
    throw new Failure('BAD_REQUEST', 'An object is named by its SHA-256 in lower-case hex.');
  return { projectId: project.id, hash };
}

function answerFailure(context: Context, c: Request, error: unknown): Response {
  const failure = describeFailure(error);
  const requestId = c.get('requestId') ?? 'none';
  logUnexpected(context.log, failure, { requestId, method: c.req.method, path: c.req.path });
  const { code, message, details, missing } = failure;
  const body: ApiError = {
    error: {
      code,
      message,
      requestId,
      ...(details === undefined ? {} : { details: [...details] }),
      ...(missing === undefined ? {} : { missing: [...missing] }),
    },
  };
  if (failure.status === 401) c.header('www-authenticate', 'Bearer');
  if (failure.status === 503) c.header('retry-after', '1');
  return c.json(body, failure.status as ContentfulStatusCode);
}
