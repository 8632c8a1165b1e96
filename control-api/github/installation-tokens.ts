import { randomBytes } from 'node:crypto';
import { createAppAuth } from '@octokit/auth-app';
import { request } from '@octokit/request';
import { z } from 'zod';
import { githubTokenTtlMs, keys, type CacheKey } from '../../cache/keys.ts';
import type { GithubToken } from '../../cache/value-schemas.ts';
import { openEnvironment, sealEnvironment } from '../../contracts/sealed-environment.ts';
import { EdgeError, messageOf } from '../../core/errors.ts';
import type { ControlApiConfig } from '../config.ts';
import type { Context } from '../context.ts';
import { Failure } from '../failure.ts';

const TIMEOUT_MS = 10_000;

export type InstallationToken = { token: string; expiresAt: string };
export type Repository = { installationId: number; repository: string };

/** Makes tokens with which a build reads one repository. */
export type TokenMaker = (repository: Repository) => Promise<InstallationToken>;

/** Undefined where no GitHub App is configured. */
export function createTokenMaker(config: ControlApiConfig): TokenMaker | undefined {
  const { GITHUB_APP_ID: appId, GITHUB_APP_PRIVATE_KEY: privateKey } = config;
  if (appId === undefined || privateKey === undefined) return undefined;
  const auth = createAppAuth({
    appId,
    privateKey,
    request: request.defaults({ baseUrl: config.GITHUB_API_URL, request: { fetch: fetchWithDeadline } }),
    // The shared cache does that, sealed, and for every control API.
    cache: { get: () => '', set: () => undefined },
  });
  return async ({ installationId, repository }) => {
    const permissions = { contents: 'read', metadata: 'read' } as const;
    const repositoryNames = [repository.split('/')[1] ?? repository];
    const made = await auth({
      type: 'installation',
      installationId,
      repositoryNames,
      permissions,
      refresh: true,
    });
    return { token: made.token, expiresAt: made.expiresAt };
  };
}

/** A token that is good for five minutes at least: from the cache, else a new one. */
export async function readToken(context: Context, repository: Repository): Promise<InstallationToken> {
  const { cache, github, belief } = context;
  if (github === undefined) {
    throw new Failure(
      'CONFLICT',
      'No GitHub App is configured: set GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY.',
    );
  }
  const key = keys.githubToken(String(repository.installationId), repository.repository);
  if (!belief.mayBelieve(key.name)) return await makeToken(github, repository);
  let made: InstallationToken | undefined;
  const resolved = await cache.getWithFallback(key, async () => {
    made = await makeToken(github, repository);
    const ttlMs = githubTokenTtlMs(made.expiresAt, context.clock.nowMs());
    return { kind: 'found', value: seal(context, repository, made), ttlMs };
  });
  if (made !== undefined) return made;
  const opened = resolved.kind === 'found' ? open(context, repository, resolved.value) : undefined;
  if (opened !== undefined) return opened;
  // The cache failed, or holds what another key sealed.
  return await makeToken(github, repository);
}

/** Under which the tokens of repositories are kept: they end when an installation no longer covers them. */
export function tokenKeys(repositories: readonly Repository[]): CacheKey<unknown>[] {
  return repositories.map(({ installationId, repository }) =>
    keys.githubToken(String(installationId), repository),
  );
}

async function makeToken(make: TokenMaker, repository: Repository): Promise<InstallationToken> {
  try {
    return await make(repository);
  } catch (error) {
    throw explain(error, repository);
  }
}

function explain(error: unknown, { repository }: Repository): Error {
  const status = statusOf(error);
  const detail = `GitHub answered ${status ?? 'nothing'}: ${messageOf(error)}`;
  if (status === 401) {
    const message = 'GitHub refuses the App: check GITHUB_APP_ID, GITHUB_APP_PRIVATE_KEY and the clock.';
    return new Failure('CONFLICT', message, { cause: error });
  }
  if (status === 403 || status === 404 || status === 422) {
    const message = `GitHub gives no access to ${repository}: the App is not installed there any more, or suspended.`;
    return new Failure('NOT_FOUND', message, { cause: error });
  }
  return new EdgeError('CONTROL_API_FAILED', { detail, cause: error });
}

function statusOf(error: unknown): number | undefined {
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === 'number' ? status : undefined;
}

// Without a key of the installation, what this process seals only this process opens.
const ownKey = randomBytes(32);
const tokenSchema = z.object({ token: z.string(), expiresAt: z.string() });

function seal(
  { config }: Context,
  repository: Repository,
  { token, expiresAt }: InstallationToken,
): GithubToken {
  const key = config.ENVIRONMENT_KEY ?? ownKey;
  return { sealedToken: sealEnvironment({ token, expiresAt }, boundTo(repository), key), expiresAt };
}

function open(
  { config, clock }: Context,
  repository: Repository,
  { sealedToken }: GithubToken,
): InstallationToken | undefined {
  try {
    const key = config.ENVIRONMENT_KEY ?? ownKey;
    const opened = tokenSchema.parse(openEnvironment(sealedToken, boundTo(repository), key));
    return githubTokenTtlMs(opened.expiresAt, clock.nowMs()) > 0 ? opened : undefined;
  } catch {
    // Sealed with another key, or damaged: as good as not there.
    return undefined;
  }
}

function boundTo({ installationId, repository }: Repository): string {
  return `github:${installationId}:${repository}`;
}

const fetchWithDeadline: typeof fetch = (input, init) =>
  fetch(input, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
