import { normalizeHost, withoutPort } from '../core/host.ts';

/**
 * Whether `*.{parent}` may stand for every host one level below. A port has no place in it, and neither an address nor a
 * top-level domain has anything below that belongs to one owner.
 */
function canHaveWildcard(parent: string): boolean {
  return parent.includes('.') && /[a-z]$/.test(parent);
}

/** A domain as it is a key: a host, or `*.` before one. Undefined when it is neither. */
export function normalizeDomain(text: string): string | undefined {
  if (!text.startsWith('*.')) return normalizeHost(text);
  const parent = normalizeHost(text.slice(2));
  if (parent === undefined || parent !== withoutPort(parent) || !canHaveWildcard(parent)) return undefined;
  return `*.${parent}`;
}

/**
 * The domains that may say what a normalised host shows, the first that exists counts: `host:port` as sent
 * (development), the host alone, then a wildcard one level up.
 */
export function domainsOfHost(host: string, deployDomain: string | undefined): string[] {
  const bare = withoutPort(host);
  const exact = bare === host ? [host] : [host, bare];
  const parent = bare.slice(bare.indexOf('.') + 1);
  // Hosts of the deploy domain are each a row of their own.
  return !isBelow(bare, deployDomain) && canHaveWildcard(parent) ? [...exact, `*.${parent}`] : exact;
}

/** Whether a host without its port is below the deploy domain, at whatever depth. */
export function isBelow(host: string, deployDomain: string | undefined): boolean {
  return deployDomain !== undefined && host.endsWith(`.${withoutPort(deployDomain)}`);
}
