// Runs inside the isolate: bundled into every function at deploy. It must not import anything.

/** What a handler gets beside the request and its environment. */
export type FunctionContext = {
  /** Parameters of the route: `[id]` as `id`, `[...rest]` as `rest` (with its slashes), decoded. */
  params: Record<string, string>;
  waitUntil(promise: Promise<unknown>): void;
};

type Handler = (request: Request, env: unknown, context: FunctionContext) => Response | Promise<Response>;
type Fetcher = { fetch: (request: Request, env?: unknown, context?: unknown) => Promise<Response> };

export const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/**
 * Any of the forms in which a module may export its handler as the one that a runner calls: `default.fetch`, a
 * named `fetch`, a default function, or one function for each method.
 */
export function adapt(module: Record<string, unknown>, route: string, restName: string): Fetcher {
  const generic = findGeneric(module);
  return {
    async fetch(request, env, context) {
      const handler = generic ?? findForMethod(module, request.method);
      if (handler === undefined) return notAllowed(module, request.method);
      const params = readParams(new URL(request.url).pathname, route, restName);
      const response: unknown = await handler(request, env, { params, waitUntil: bindWaitUntil(context) });
      if (!(response instanceof Response)) throw new TypeError('the function did not return a Response');
      return request.method === 'HEAD' && generic === undefined ? new Response(null, response) : response;
    },
  };
}

function findGeneric(module: Record<string, unknown>): Handler | undefined {
  const preset = module['default'];
  if (hasFetch(preset)) return (request, env, context) => preset.fetch(request, env, context);
  if (isHandler(module['fetch'])) return module['fetch'];
  return isHandler(preset) ? preset : undefined;
}

function findForMethod(module: Record<string, unknown>, method: string): Handler | undefined {
  const exact = METHODS.includes(method) ? module[method] : undefined;
  const found = exact ?? (method === 'HEAD' ? module['GET'] : undefined);
  return isHandler(found) ? found : undefined;
}

function notAllowed(module: Record<string, unknown>, method: string): Response {
  const exported = METHODS.filter((name) => isHandler(module[name]));
  const allowed = new Set([...exported, ...(exported.includes('GET') ? ['HEAD'] : []), 'OPTIONS']);
  return new Response(null, {
    status: method === 'OPTIONS' ? 204 : 405,
    headers: { allow: [...allowed].join(', ') },
  });
}

function readParams(pathname: string, route: string, restName: string): Record<string, string> {
  const given = pathname.slice(1).split('/');
  const params: Record<string, string> = {};
  for (const [index, segment] of route.slice(1).split('/').entries()) {
    if (segment === '*') params[restName] = given.slice(index).map(decode).join('/');
    else if (segment.startsWith(':')) params[segment.slice(1)] = decode(given[index] ?? '');
  }
  return params;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A bad escape never passes the edge; called directly, the text as it came is the best answer.
    return text;
  }
}

function bindWaitUntil(context: unknown): (promise: Promise<unknown>) => void {
  const owner = context as { waitUntil?: (promise: Promise<unknown>) => void } | null | undefined;
  return (promise) => owner?.waitUntil?.(promise);
}

function hasFetch(value: unknown): value is { fetch: Handler } {
  return value !== null && typeof value === 'object' && isHandler((value as { fetch?: unknown }).fetch);
}

function isHandler(value: unknown): value is Handler {
  return typeof value === 'function';
}
