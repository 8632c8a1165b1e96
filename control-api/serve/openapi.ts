import { z } from 'zod';
import { apiErrorSchema, healthSchema } from '../../contracts/control-api-answers.ts';
import { API_PREFIX } from '../../contracts/control-api.ts';
import type { Operation } from '../operations/operation.ts';
import { packageVersion } from '../../core/package-version.ts';

type Json = Record<string, unknown>;

/** The plain HTTP form as an OpenAPI 3.1 document, made from the operations themselves. */
export function describeApi(operations: readonly Operation[]): Json {
  const paths: Record<string, Json> = fixedPaths();
  for (const operation of operations) {
    if (operation.path === undefined) continue;
    const path = `${API_PREFIX}${operation.path.replaceAll(/:(\w+)/g, '{$1}')}`;
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: describeOperation(operation) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Origan control API',
      version: packageVersion,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    security: [{ token: [] }],
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: { Error: schemaOf(apiErrorSchema, 'output') },
    },
    paths,
  };
}

function describeOperation(operation: Operation): Json {
  const names = [...(operation.path ?? '').matchAll(/:(\w+)/g)].map(([, name]) => name ?? '');
  return {
    operationId: operation.name,
    summary: operation.summary,
    tags: [operation.name.split('.')[0]],
    ...(operation.isPublic ? { security: [] } : {}),
    parameters: describeParameters(operation.params, new Set(names)),
    ...(operation.body === undefined
      ? {}
      : { requestBody: { content: json(schemaOf(operation.body, 'input')) } }),
    responses: {
      [operation.status]: { description: 'Done', content: json(schemaOf(operation.answer, 'output')) },
      default: failure,
    },
  };
}

function describeParameters(params: z.ZodObject, inPath: ReadonlySet<string>): Json[] {
  const { properties = {}, required = [] } = schemaOf(params, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: inPath.has(name) ? 'path' : 'query',
    required: inPath.has(name) || required.includes(name),
    schema,
  }));
}

/** What is no JSON both ways, and what needs no token. */
function fixedPaths(): Record<string, Json> {
  const text = { type: 'string' };
  const object = [
    { name: 'project', in: 'path', required: true, schema: text },
    { name: 'sha256', in: 'path', required: true, schema: { type: 'string', pattern: '^[0-9a-f]{64}$' } },
  ];
  const stored = json({ type: 'object', properties: { hash: text, size: { type: 'integer' } } });
  return {
    [`${API_PREFIX}/health`]: {
      get: {
        operationId: 'health',
        summary: 'Whether the control API and the parts it needs are up',
        security: [],
        responses: {
          200: { description: 'Up, perhaps degraded', content: json(schemaOf(healthSchema, 'output')) },
          503: { description: 'Down', content: json(schemaOf(healthSchema, 'output')) },
        },
      },
    },
    [`${API_PREFIX}/projects/{project}/objects/{sha256}`]: {
      parameters: object,
      put: {
        operationId: 'objects.put',
        summary: 'Uploads an object that a deployment asked for; its Content-Length is required',
        requestBody: { required: true, content: { 'application/octet-stream': {} } },
        responses: {
          200: { description: 'Was there already', content: stored },
          201: { description: 'Stored', content: stored },
          422: { ...failure, description: 'The bytes are not those of the hash' },
          default: failure,
        },
      },
      get: {
        operationId: 'objects.head',
        summary: 'Whether an object is there (HEAD too)',
        responses: { 200: { description: 'It is', content: stored }, default: failure },
      },
    },
  };
}

const failure: Json = {
  description: 'Refused or failed',
  content: json({ $ref: '#/components/schemas/Error' }),
};

function json(schema: Json): Json {
  return { 'application/json': { schema } };
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  // What a transform makes cannot be said in JSON Schema: anything goes there, and the parser decides.
  const { $schema: _dialect, ...described } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return described;
}
