import { X509Certificate } from 'node:crypto';
import type { Context } from '../context.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { CertificateFailure } from './failure.ts';
import { fingerprintOf, publicKeyHash } from './keys.ts';
import type { Validity } from './when.ts';

// Gateways read `certificate.pem` and then the key that is named by the certificate's public key, so whichever certificate
// they see, old or new, its key is there: the new key is written before the certificate, the old one stays for one renewal.

const MAX_BYTES = 262_144;
const KEY_NAME = /\/private-key-[0-9a-f]{64}\.pem$/;
/** Who read the certificate of before still comes for its key. */
const OLD_KEY_KEPT_MS = 3_600_000;

const folderOf = (host: string): string => `certificates/${host}/`;

/** What the bucket has for a host; undefined: nothing. */
export async function readInstalled(
  store: ObjectStore,
  host: string,
): Promise<{ fingerprint: string | undefined; validity: Validity | undefined } | undefined> {
  const bytes = await inBucket(() => store.read(`${folderOf(host)}certificate.pem`, { maxBytes: MAX_BYTES }));
  if (bytes === undefined) return undefined;
  const pem = bytes.toString('utf8');
  const fingerprint = fingerprintOf(pem);
  if (fingerprint === undefined) return { fingerprint, validity: undefined };
  const { validFrom, validTo } = new X509Certificate(pem);
  return { fingerprint, validity: { notBeforeMs: Date.parse(validFrom), notAfterMs: Date.parse(validTo) } };
}

/** Puts key and certificate into the bucket, in the order in which no gateway meets one without the other. */
export async function install(
  { store, clock }: Pick<Context, 'store' | 'clock'>,
  { host, chain, key }: { host: string; chain: string; key: string },
): Promise<void> {
  const folder = folderOf(host);
  const keyName = `${folder}private-key-${publicKeyHash(key)}.pem`;
  const put = async (name: string, text: string): Promise<void> => {
    const body = Buffer.from(text);
    await store.put(name, body, { size: body.length, contentType: 'application/x-pem-file' });
  };
  await inBucket(async () => {
    await put(keyName, key);
    await put(`${folder}certificate.pem`, chain);
    const old: string[] = [];
    for await (const { key: name, modifiedAtMs } of store.list(folder)) {
      const isOld = KEY_NAME.test(name) && name !== keyName && clock.nowMs() - modifiedAtMs > OLD_KEY_KEPT_MS;
      // One that was put there by hand once, with another certificate.
      if (isOld || name === `${folder}chain.pem`) old.push(name);
    }
    if (old.length > 0) await store.delete(old);
  });
}

/** Takes a host's objects away: the certificate first, so that nobody looks for a key that is gone. */
export async function uninstall(store: ObjectStore, host: string): Promise<void> {
  const folder = folderOf(host);
  await store.delete([`${folder}certificate.pem`]);
  const keys: string[] = [];
  for await (const { key } of store.list(folder)) if (KEY_NAME.test(key)) keys.push(key);
  if (keys.length > 0) await store.delete(keys);
}

async function inBucket<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw new CertificateFailure('internal', 'The bucket of this installation cannot be used just now.', {
      cause: error,
    });
  }
}
