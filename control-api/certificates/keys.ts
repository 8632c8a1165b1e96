import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  X509Certificate,
} from 'node:crypto';
import { messageOf } from '../../core/errors.ts';
import { CertificateFailure } from './failure.ts';
import type { Validity } from './when.ts';

/** A new private key, ECDSA P-256, PKCS #8 in PEM. */
export function makeKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' });
}

/** SHA-256 of the public key (SubjectPublicKeyInfo) of a private one, hex: by it gateways find the key of a certificate. */
export function publicKeyHash(privateKey: string): string {
  const spki = createPublicKey(createPrivateKey(privateKey)).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('hex');
}

/** SHA-256 of the first certificate of a PEM text, hex; undefined when there is none to be read. */
export function fingerprintOf(pem: string): string | undefined {
  try {
    return new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase();
  } catch {
    return undefined;
  }
}

/** Of a text that was read before. */
export function validityOf(pem: string): Validity {
  const { validFrom, validTo } = new X509Certificate(pem);
  return { notBeforeMs: Date.parse(validFrom), notAfterMs: Date.parse(validTo) };
}

/** Makes sure that what the authority sent is what was ordered. @throws CertificateFailure */
export function checkChain(chain: string, { host, key }: { host: string; key: string }): Validity {
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(chain);
  } catch (error) {
    throw new CertificateFailure(
      'authority',
      `The authority's certificate cannot be read: ${messageOf(error)}`,
    );
  }
  if (!leaf.checkPrivateKey(createPrivateKey(key)))
    throw new CertificateFailure('authority', "The authority's certificate is for another key.");
  if (leaf.checkHost(host, { subject: 'never' }) === undefined)
    throw new CertificateFailure('authority', "The authority's certificate is for another host.");
  return validityOf(chain);
}
