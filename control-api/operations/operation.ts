import { z } from 'zod';
import { authenticate, type Caller } from '../access/caller.ts';
import { forbidden, hasRight, type Right } from '../access/rights.ts';
import type { Context } from '../context.ts';
import { Failure, notFound } from '../failure.ts';
import { findOrganization, findProject, type ProjectRow } from '../projects/project.ts';

/** Everything about a request that is not of HTTP or tRPC. */
export type Call = {
  authorization: string | undefined;
  /** Path and query parameters. */
  params: unknown;
  /** Reads the JSON body; called only once the caller is known to be allowed. */
  readBody(): Promise<unknown>;
  signal: AbortSignal;
};

/**
 * One thing that the control API can do. The plain HTTP form, the tRPC procedures and the OpenAPI description are all
 * made from these, and `run` is reached only through the access check that its maker below puts before it.
 */
export type Operation = {
  /** `deployments.begin`: the name of the tRPC procedure, and OpenAPI's operationId. */
  name: string;
  summary: string;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/v1`, with `:name` for parameters; undefined: a tRPC procedure only. */
  path: string | undefined;
  status: 200 | 201;
  isPublic: boolean;
  params: z.ZodObject;
  body: z.ZodType | undefined;
  answer: z.ZodType;
  run(context: Context, call: Call): Promise<unknown>;
};

type Rules<Params extends z.ZodObject, Body> = {
  name: string;
  summary: string;
  method: Operation['method'];
  path: string | undefined;
  status?: 201;
  params: Params;
  /** Schema of the JSON body; an absent body is read as `{}`. */
  body?: z.ZodType<Body>;
  answer: z.ZodType;
};

export type Input<Params extends z.ZodObject, Body> = {
  caller: Caller;
  params: z.output<Params>;
  body: Body;
  signal: AbortSignal;
};

/** For everybody, without a token. */
export function publicOperation<Params extends z.ZodObject>(
  rules: Rules<Params, unknown>,
  run: (context: Context, input: { params: z.output<Params> }) => Promise<unknown>,
): Operation {
  const { params } = rules;
  return {
    ...complete(rules, true),
    run: async (context, call) => await run(context, { params: parse(params, call.params, 'parameter') }),
  };
}

/** For every known caller; `isAdminOnly` for administrators of the installation. */
export function userOperation<Params extends z.ZodObject, Body = unknown>(
  rules: Rules<Params, Body> & { isAdminOnly?: boolean },
  run: (context: Context, input: Input<Params, Body>) => Promise<unknown>,
): Operation {
  return {
    ...complete(rules, false),
    run: async (context, call) => {
      const caller = await authenticate(context, call.authorization);
      if (rules.isAdminOnly === true && !caller.isAdmin) {
        throw new Failure('FORBIDDEN', 'Only an administrator of this installation may do this.');
      }
      return await run(context, await read(rules, call, caller));
    },
  };
}

/** For callers with a right in the organization of the project that the parameter `project` names. */
export function projectOperation<Params extends z.ZodObject<{ project: z.ZodString }>, Body = unknown>(
  rules: Rules<Params, Body> & { right: Right },
  run: (context: Context, input: Input<Params, Body> & { project: ProjectRow }) => Promise<unknown>,
): Operation {
  return {
    ...complete(rules, false),
    run: async (context, call) => {
      const caller = await authenticate(context, call.authorization);
      const handle = parse(projectParams, call.params, 'parameter').project;
      const project = await allowedProject(context, caller, handle, rules.right);
      return await run(context, { ...(await read(rules, call, caller)), project });
    },
  };
}

/** For callers with a right in the organization that the parameter `organization` names. */
export function organizationOperation<
  Params extends z.ZodObject<{ organization: z.ZodString }>,
  Body = unknown,
>(
  rules: Rules<Params, Body> & { right: Right },
  run: (
    context: Context,
    input: Input<Params, Body> & { organization: { id: string; name: string } },
  ) => Promise<unknown>,
): Operation {
  return {
    ...complete(rules, false),
    run: async (context, call) => {
      const caller = await authenticate(context, call.authorization);
      const handle = parse(organizationParams, call.params, 'parameter').organization;
      const organization = await findOrganization(context.db, handle);
      const answer =
        organization === undefined
          ? 'unknown'
          : await hasRight(context, caller, organization.id, rules.right);
      if (organization === undefined || answer === 'unknown') throw notFound('organization', handle);
      if (answer === 'no') throw forbidden(rules.right);
      return await run(context, { ...(await read(rules, call, caller)), organization });
    },
  };
}

const projectParams = z.object({ project: z.string().min(1).max(100) });
const organizationParams = z.object({ organization: z.string().min(1).max(100) });

/** The project, if the caller has the right in it. @throws Failure NOT_FOUND or FORBIDDEN. */
export async function allowedProject(
  context: Context,
  caller: Caller,
  handle: string,
  right: Right,
): Promise<ProjectRow> {
  const project = await findProject(context, handle);
  if (project === undefined) throw notFound('project', handle);
  const answer = await hasRight(context, caller, project.organizationId, right);
  if (answer === 'unknown') throw notFound('project', handle);
  if (answer === 'no') throw forbidden(right);
  return project;
}

function complete<Params extends z.ZodObject, Body>(
  rules: Rules<Params, Body>,
  isPublic: boolean,
): Omit<Operation, 'run'> {
  const { name, summary, method, path, status = 200, params, body, answer } = rules;
  return { name, summary, method, path, status, isPublic, params, body, answer };
}

async function read<Params extends z.ZodObject, Body>(
  rules: Rules<Params, Body>,
  call: Call,
  caller: Caller,
): Promise<Input<Params, Body>> {
  const params = parse(rules.params, call.params, 'parameter');
  const body = parse(rules.body ?? noBody<Body>(), (await call.readBody()) ?? {}, 'field');
  return { caller, params, body, signal: call.signal };
}

function noBody<Body>(): z.ZodType<Body> {
  return z.unknown().transform(() => ({}) as Body);
}

function parse<Schema extends z.ZodType>(schema: Schema, input: unknown, what: string): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const details = parsed.error.issues.map((issue) => {
    const message = describeIssue(issue);
    return issue.path.length === 0 ? message : `${issue.path.join('.')}: ${message}`;
  });
  throw new Failure('BAD_REQUEST', `A ${what} is not as it should be: ${details.join('; ').slice(0, 500)}`, {
    details,
  });
}

/** Of a name in a record, what is wrong with the name. */
function describeIssue(issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_key' ? issue.issues.map(({ message }) => message).join('; ') : issue.message;
}
