import { createHash, X509Certificate } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { atMost } from '../../core/at-most.ts';
import { systemClock, type Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/log.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { describeFailure, toCredential, type Credential } from './credential.ts';

/** Certificates kept ready: each is some tens of kilobytes with its context. */
const MAX_KEPT = 2000;
/** After this a certificate is read again, beside its use: a renewed one is in use soon after, milliseconds. */
const REREAD_AFTER_MS = 300_000;
/** How long a name is taken to have none, milliseconds: short, since somebody may be setting it up. */
const ABSENT_MS = 5000;
/** Names that are read at once; anybody can send names that nobody has. */
const MAX_READING = 32;
const MAX_PEM_BYTES = 262_144;

const ABSENT = 'absent';

export type BucketCredentials = {
  /** The certificate of this name; undefined: there is none. Rejects when that cannot be found out. */
  find(name: string): Promise<Credential | undefined>;
  /** End of validity of the one in memory that ends first, milliseconds since the epoch. */
  firstEndMs(): number | undefined;
};

export type BucketCredentialsParts = {
  store: ObjectStore;
  log: Logger;
  /** Default 5 minutes. */
  rereadAfterMs?: number;
  clock?: Pick<Clock, 'monotonicMs'>;
};

/**
 * Certificates at `certificates/{name}/` in the bucket, kept in memory: a handshake reads nothing. One that is due is read
 * again in the background; while the bucket fails, or what it has cannot be used, the one in memory stays.
 */
export function createBucketCredentials({
  store,
  log,
  rereadAfterMs = REREAD_AFTER_MS,
  clock = systemClock,
}: BucketCredentialsParts): BucketCredentials {
  const bounded = atMost(MAX_READING);
  const kept = new LRUCache<string, Credential | typeof ABSENT>({
    max: MAX_KEPT,
    ttl: rereadAfterMs,
    ttlResolution: 0,
    perf: { now: () => clock.monotonicMs() },
    noDeleteOnFetchRejection: true,
    noDeleteOnStaleGet: true,
    // What is refused for their number is not logged: anybody could fill the log with it.
    fetchMethod: (name, _old, { options }) =>
      bounded(async () => {
        try {
          const read = await readCredential(store, name);
          if (read === ABSENT) options.ttl = ABSENT_MS;
          return read;
        } catch (error) {
          log.error({ name, error: describeFailure(error) }, 'certificate cannot be used');
          throw error;
        }
      }),
  });
  return {
    find: async (name) => {
      const known = kept.get(name, { allowStale: true });
      const isUsable = known !== undefined && known !== ABSENT;
      // Without one to go on with, a failure must not look like absence.
      const found = await kept.fetch(name, {
        allowStale: isUsable,
        allowStaleOnFetchRejection: isUsable,
      });
      return found === ABSENT ? undefined : found;
    },
    firstEndMs: () => {
      const ends = [...kept.values()].flatMap((each) => (each === ABSENT ? [] : [each.notAfterMs]));
      return ends.length === 0 ? undefined : Math.min(...ends);
    },
  };
}

/** One read says that a name has none; only where there is a certificate are its key and chain read. */
async function readCredential(store: ObjectStore, name: string): Promise<Credential | typeof ABSENT> {
  const read = async (file: string): Promise<string | undefined> => {
    const bytes = await store.read(`certificates/${name}/${file}`, { maxBytes: MAX_PEM_BYTES });
    return bytes?.toString('utf8');
  };
  const certificate = await read('certificate.pem');
  if (certificate === undefined) return ABSENT;
  const [key, chain] = await Promise.all([readKey(read, certificate), read('chain.pem')]);
  if (key === undefined) throw new Error('private-key.pem is missing beside certificate.pem');
  return toCredential({ certificate, key, chain });
}

/**
 * The key that is named by the certificate's public key: a renewal that brings a new key has it there before the certificate,
 * so that no reader meets one with the key of the other. Else the one of the fixed name.
 */
async function readKey(
  read: (file: string) => Promise<string | undefined>,
  certificate: string,
): Promise<string | undefined> {
  const hash = publicKeyHash(certificate);
  const own = hash === undefined ? undefined : await read(`private-key-${hash}.pem`);
  return own ?? (await read('private-key.pem'));
}

/** SHA-256 of the SubjectPublicKeyInfo, hex; undefined when the certificate cannot be read. */
function publicKeyHash(certificate: string): string | undefined {
  try {
    const { publicKey } = new X509Certificate(certificate);
    return createHash('sha256')
      .update(publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex');
  } catch {
    // Whoever takes it for what it claims to be says what is wrong.
    return undefined;
  }
}
