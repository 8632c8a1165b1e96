import { keys, type CacheKey } from '../cache/keys.ts';
import { CliError, EXIT } from './cli-error.ts';

type Reader = {
  pattern: RegExp;
  toKey: (...parts: string[]) => CacheKey<unknown>;
  hide?: (value: unknown) => unknown;
};

/** The keys that may be read by name. Stored responses and tokens may not: they are users' data and secrets. */
const READERS: readonly Reader[] = [
  { pattern: /^domain:(.+)$/, toKey: (host = '') => keys.domain(host) },
  { pattern: /^deployment:([^:]+):config$/, toKey: (id = '') => keys.deploymentConfig(id) },
  {
    pattern: /^deployment:([^:]+):metadata$/,
    toKey: (id = '') => keys.deploymentMetadata(id),
    hide: hideEnvironment,
  },
  { pattern: /^deployment:([^:]+):exists$/, toKey: (id = '') => keys.deploymentExists(id) },
  { pattern: /^project:([^:]+):config$/, toKey: (id = '') => keys.projectConfig(id) },
  { pattern: /^project:([^:]+):environments$/, toKey: (id = '') => keys.projectEnvironments(id) },
  { pattern: /^user:([^:]+):projects$/, toKey: (id = '') => keys.userProjects(id) },
  { pattern: /^user:([^:]+):orgs$/, toKey: (id = '') => keys.userOrgs(id) },
  { pattern: /^build:([^:]+):status$/, toKey: (id = '') => keys.buildStatus(id) },
  { pattern: /^tag:([^:]+):(.+)$/, toKey: (project = '', tag = '') => keys.tag(project, tag) },
  { pattern: /^gateway:(.+)$/, toKey: (instance = '') => keys.gateway(instance) },
];

export type ReadableKey = { key: CacheKey<unknown>; hide: (value: unknown) => unknown };

/** The key that a name of the catalogue means. @throws CliError for names that are not to be shown. */
export function readableKey(name: string): ReadableKey {
  for (const { pattern, toKey, hide } of READERS) {
    const match = pattern.exec(name);
    if (match !== null) return { key: toKey(...match.slice(1)), hide: hide ?? ((value) => value) };
  }
  throw new CliError('BAD_KEY', `${name} is no key that can be shown.`, {
    exitCode: EXIT.usage,
    hint: 'For example domain:www.example.com, deployment:ID:config, tag:PROJECT:TAG. Tokens and responses are not shown.',
  });
}

/** Names of variables stay, values go: neither in clear nor sealed do they belong on a screen. */
function hideEnvironment(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const { environmentVariables, sealedEnvironment, ...rest } = value as Record<string, unknown>;
  const names =
    typeof environmentVariables === 'object' && environmentVariables !== null
      ? Object.keys(environmentVariables)
      : [];
  return {
    ...rest,
    ...(names.length > 0
      ? { environmentVariables: Object.fromEntries(names.map((name) => [name, '(hidden)'])) }
      : {}),
    ...(sealedEnvironment === undefined ? {} : { sealedEnvironment: '(sealed)' }),
  };
}
