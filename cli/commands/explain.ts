import { Command } from 'commander';
import { explanationSchema, type ExplainedRoute, type Explanation } from '../../contracts/explanation.ts';
import { CliError, EXIT } from '../cli-error.ts';
import { printResult, type CliContext, type CommonOptions } from '../context.ts';
import { bytes, duration } from '../format.ts';
import { askGateway, DEFAULT_GATEWAY_ADMIN_URL } from '../gateway-client.ts';

type ExplainFlags = CommonOptions & { gateway: string; method: string };

export function explainCommand(context: CliContext): Command {
  return new Command('explain')
    .description(
      'how a gateway answers a URL, and why: host, build, route, file or function, rules, cache key',
    )
    .argument('<url>', 'such as https://www.example.com/about')
    .option(
      '-g, --gateway <url>',
      'address of the admin server of the gateway to ask',
      DEFAULT_GATEWAY_ADMIN_URL,
    )
    .option('-X, --method <method>', 'method of the request', 'GET')
    .action(async (text: string, _, command: Command) => {
      const flags = command.optsWithGlobals<ExplainFlags>();
      const query = new URLSearchParams({ url: requireUrl(text), method: flags.method.toUpperCase() });
      const path = `/explain?${query.toString()}`;
      const found = await askGateway(context, flags.gateway, { path, answer: explanationSchema });
      printResult(context, flags, found, () => describe(found));
    });
}

function requireUrl(text: string): string {
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
  const url = hasScheme ? text : `https://${text}`;
  if (/^https?:/i.test(url) && URL.canParse(url)) return url;
  throw new CliError('BAD_URL', `${text} is no URL.`, {
    exitCode: EXIT.usage,
    hint: 'For example https://www.example.com/about.',
  });
}

type Line = [name: string, value: string];

function describe(found: Explanation): string {
  const { mapping, host, deploymentId, projectId, path, isPreview, redirects, headers } = found;
  const lines: Line[] = [
    ['host', host],
    ['mapping', `${mapping.key ?? 'not in the cache'}${describeMapping(mapping)}`],
    ['project', projectId],
    ['deployment', `${deploymentId}${isPreview ? ' (preview)' : ''}`],
    ['path', path],
    ...describeRoute(found.route),
    ...redirects.map(({ from, to, status, force }): Line => [
      'redirect rule',
      `${from} -> ${to} ${status}${force === true ? '!' : ''}`,
    ]),
    ...headers.flatMap((rule) =>
      rule.set.map(([name, value]): Line => ['header rule', `${rule.for}: ${name}: ${value}`]),
    ),
    ...headers.flatMap((rule) =>
      (rule.remove ?? []).map((name): Line => ['header rule', `${rule.for}: ! ${name}`]),
    ),
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}

function describeMapping({ source, ageMs, rev }: Explanation['mapping']): string {
  const from = {
    near: 'in memory',
    shared: 'from the shared cache',
    loader: 'from the control API',
    'last-known-good': 'last known good',
  };
  const parts = [
    ...(source === null ? [] : [from[source]]),
    ...(ageMs === null ? [] : [`${duration(ageMs)} old`]),
    ...(rev === null ? [] : [`rev ${rev}`]),
  ];
  return parts.length === 0 ? '' : `, ${parts.join(', ')}`;
}

function describeRoute(route: ExplainedRoute): Line[] {
  switch (route.kind) {
    case 'file':
      return describeFile(route);
    case 'function':
      return describeFunction(route);
    case 'redirect':
      return [['answer', `${route.status} to ${route.location}`]];
    case 'options':
      return [['answer', `204, Allow: ${route.allow}`]];
    case 'wrong-method':
      return [['answer', `405, Allow: ${route.allow}`]];
    case 'not-found':
      return [['answer', '404, the built-in page']];
    default:
      return route satisfies never;
  }
}

function describeFile(route: Extract<ExplainedRoute, { kind: 'file' }>): Line[] {
  const { status, isFallback, urlPath, objectKey, size, contentType, isImmutable, encodings } = route;
  const why = isFallback ? ' (nothing is at the path)' : '';
  const forms = encodings.map((form) => `${form.coding} ${bytes(form.size)}`).join(', ');
  return [
    ['answer', `${status}, the file ${urlPath}${why}`],
    ['type', contentType],
    ['size', `${size === null ? 'unknown' : bytes(size)}${forms === '' ? '' : ` (${forms})`}`],
    ['kept by browsers', isImmutable ? 'for a year: its name carries a hash' : 'asked for again each time'],
    ['object', objectKey],
  ];
}

function describeFunction(route: Extract<ExplainedRoute, { kind: 'function' }>): Line[] {
  const { urlPath, methods, rewrittenTo, objectKey, cacheKey, profile, tags } = route;
  return [
    ['answer', `the function at ${urlPath}${methods === null ? '' : ` (${methods.join(', ')})`}`],
    ...(rewrittenTo === null ? [] : ([['called with', rewrittenTo]] satisfies Line[])),
    ['cache key', `${cacheKey} (profile ${profile})`],
    ['tags', tags.join(', ')],
    ['object', objectKey],
  ];
}
