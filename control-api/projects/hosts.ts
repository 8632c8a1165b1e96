import { normalizeDomain } from '../../contracts/domain-names.ts';
import { withoutPort } from '../../core/host.ts';
import type { Caller } from '../access/caller.ts';
import type { ControlApiConfig } from '../config.ts';
import { Failure } from '../failure.ts';

export const PRODUCTION = 'production';

type Names = Pick<ControlApiConfig, 'ORIGAN_DEPLOY_DOMAIN' | 'ORIGAN_PUBLIC_SCHEME'>;

/** `{ref}.D`, or `{track}--{ref}.D` for any other track than production. */
export function trackHost({ ORIGAN_DEPLOY_DOMAIN: domain }: Names, ref: string, track: string): string {
  return track === PRODUCTION ? `${ref}.${domain}` : `${track}--${ref}.${domain}`;
}

/** `{8 chars}--{ref}.D`: the host that shows one deployment for ever. */
export function previewHost(
  { ORIGAN_DEPLOY_DOMAIN: domain }: Names,
  ref: string,
  deploymentId: string,
): string {
  return `${deploymentId.slice(0, 8)}--${ref}.${domain}`;
}

/** Where a browser finds a host. A deploy domain with a port (development) says where the gateway listens. */
export function urlOf(config: Names, host: string): string {
  const { ORIGAN_DEPLOY_DOMAIN: domain, ORIGAN_PUBLIC_SCHEME: scheme } = config;
  const port = withoutPort(host) === host ? domain.slice(withoutPort(domain).length) : '';
  return `${scheme ?? guessScheme(domain)}://${host}${port}`;
}

/**
 * A custom domain in the form in which it is looked up. Below the deploy domain the hosts of tracks and previews
 * are out of reach for everyone, and all other names are for administrators: `login.D` is not a tenant's to take.
 */
export function toCustomHost(config: Names, caller: Caller, typed: string): string {
  const host = normalizeDomain(typed.trim());
  if (host === undefined) {
    const forms = 'www.example.com, or *.example.com for every name one level below';
    throw new Failure('BAD_REQUEST', `${JSON.stringify(typed)} is no domain name, such as ${forms}.`);
  }
  const label = labelBelow(host, config.ORIGAN_DEPLOY_DOMAIN);
  if (label === undefined) return host;
  if (host.startsWith('*.')) {
    throw new Failure(
      'BAD_REQUEST',
      `${host} is below the platform's own domain, where every name stands for itself.`,
    );
  }
  if (label.includes('--')) {
    throw new Failure('BAD_REQUEST', `${host} has the form of a track's own domain; choose another name.`);
  }
  if (caller.isAdmin) return host;
  throw new Failure('FORBIDDEN', `${host} is below the platform's own domain: an administrator can add it.`);
}

/** What stands before the deploy domain; empty for the domain itself, undefined for any other host. */
function labelBelow(host: string, domain: string): string | undefined {
  const name = withoutPort(host);
  const base = withoutPort(domain);
  if (name === base) return '';
  return name.endsWith(`.${base}`) ? name.slice(0, -base.length - 1) : undefined;
}

function guessScheme(domain: string): 'http' | 'https' {
  const name = withoutPort(domain);
  return name === 'localhost' || name.endsWith('.localhost') || name !== domain ? 'http' : 'https';
}
