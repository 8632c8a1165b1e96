import { isIP } from 'node:net';
import type { SecureContext } from 'node:tls';
import { domainsOfHost, isBelow } from '../../contracts/domain-names.ts';
import { normalizeHost, withoutPort } from '../../core/host.ts';
import type { BucketCredentials } from './bucket-credentials.ts';
import type { FileCredential } from './file-credential.ts';

export type CredentialParts = {
  /** The certificate of the deploy domain's hosts; undefined where none is configured. */
  file: FileCredential | undefined;
  bucket: BucketCredentials;
  /** Domain below which projects get their hosts. */
  deployDomain: string | undefined;
};

/**
 * The certificate for a server name (SNI, RFC 6066 section 3): the file's where it is for that name, else the bucket's for the
 * name or for the wildcard one level up, else for names below the deploy domain the file's all the same. Undefined: nobody
 * has deployed under that name, and somebody else's certificate would only say whose machine this is.
 */
export async function chooseCredential(
  { file, bucket, deployDomain }: CredentialParts,
  serverName: string,
): Promise<SecureContext | undefined> {
  const host = toName(serverName);
  if (host === undefined) return undefined;
  const own = file?.current();
  if (own?.covers(host) === true) return own.context;
  for (const name of domainsOfHost(host, deployDomain)) {
    const found = await bucket.find(name);
    if (found !== undefined) return found.context;
  }
  return isBelow(host, deployDomain) ? own?.context : undefined;
}

/** As it is a key: lower case, no trailing dot. Undefined when it is no name of a host (RFC 6066: never an address). */
function toName(serverName: string): string | undefined {
  const host = normalizeHost(serverName);
  return host === undefined || host !== withoutPort(host) || isIP(host) !== 0 || host.startsWith('[')
    ? undefined
    : host;
}
