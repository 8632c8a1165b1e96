import { X509Certificate, createPrivateKey } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { EdgeError, messageOf } from '../../core/errors.ts';

/** PEM texts of one certificate. */
export type Pem = {
  /** The server's own certificate; intermediate ones may follow it. */
  certificate: string;
  key: string;
  /** Intermediate certificates, where they are a file of their own. */
  chain?: string | undefined;
};

/** A certificate with its key, ready for handshakes. */
export type Credential = {
  context: SecureContext;
  /** End of its validity, milliseconds since the epoch. */
  notAfterMs: number;
  /** Whether the certificate is for this host (RFC 9525: names of hosts, wildcards of one label). */
  covers(host: string): boolean;
};

/**
 * Takes PEM texts for what they claim to be.
 *
 * @throws Error that says which of them is wrong and how; it never repeats any of their text.
 */
export function toCredential({ certificate, key, chain }: Pem): Credential {
  const parsed = attempt('the certificate cannot be read', () => new X509Certificate(certificate));
  const privateKey = attempt('the private key cannot be read', () => createPrivateKey(key));
  if (!parsed.checkPrivateKey(privateKey)) throw broken('the private key belongs to another certificate');
  const cert = chain === undefined ? certificate : `${certificate.trimEnd()}\n${chain}`;
  return {
    context: attempt('the certificate cannot be used', () =>
      createSecureContext({ cert, key, minVersion: MIN_VERSION }),
    ),
    notAfterMs: Date.parse(parsed.validTo),
    covers: (host) => parsed.checkHost(host, { subject: 'never' }) !== undefined,
  };
}

/** RFC 9325 section 3.1.1: nothing older. */
export const MIN_VERSION = 'TLSv1.2';

function attempt<Result>(what: string, make: () => Result): Result {
  try {
    return make();
  } catch (error) {
    throw broken(`${what}: ${reasonOf(error)}`);
  }
}

/** OpenSSL's reason without its context: an error from a PEM parser could quote what it read. */
function reasonOf(error: unknown): string {
  const { reason, code } = error as { reason?: string; code?: string };
  return reason ?? code ?? 'not in PEM form';
}

/** Without the cause: what a parser says of a key is nobody's to read. */
function broken(detail: string): Error {
  return new Error(detail);
}

/** For logs: what went wrong, without the text of a key. */
export function describeFailure(error: unknown): string {
  return error instanceof EdgeError ? `${error.code}: ${messageOf(error)}` : messageOf(error);
}
