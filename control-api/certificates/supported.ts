import { isIP } from 'node:net';
import { isBelow } from '../../contracts/domain-names.ts';
import { withoutPort } from '../../core/host.ts';

// RFC 6761, RFC 2606, RFC 7686 and RFC 8375: nobody can prove these to the world.
const PRIVATE_NAME = /(?:^|\.)(?:localhost|local|invalid|onion|home\.arpa)$/;

/**
 * Why no certificate is ordered for a custom domain; undefined where one is.
 *
 * @param deployDomain its hosts have the operator's wildcard certificate.
 */
export function whyUnsupported(host: string, deployDomain: string): string | undefined {
  if (host.startsWith('*.'))
    return 'A wildcard cannot be proved over HTTP: put its certificate into the bucket yourself.';
  if (host !== withoutPort(host)) return 'A name with a port is for development.';
  if (isIP(host.replaceAll(/[[\]]/g, '')) !== 0) return 'An address is no name.';
  if (isBelow(host, deployDomain))
    return "It is below the platform's own domain, whose certificate covers it.";
  if (!host.includes('.') || PRIVATE_NAME.test(host)) return 'The name is not a public one.';
  if (host.includes('_')) return 'No authority certifies a name with an underscore.';
  return undefined;
}
