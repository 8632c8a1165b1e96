import type { SecureContext } from 'node:tls';
import type { Logger } from '../../core/log.ts';
import { counter, observedGauge, type Registry } from '../../core/metrics.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { createBucketCredentials } from './bucket-credentials.ts';
import { chooseCredential } from './choose-credential.ts';
import { describeFailure, type Pem } from './credential.ts';
import { openFileCredential, type FilePaths } from './file-credential.ts';

export type CredentialsOptions = {
  /** Certificate and key of the deploy domain's hosts, for clients without SNI too. */
  files: FilePaths | undefined;
  deployDomain: string | undefined;
  store: ObjectStore;
  /** After how many milliseconds a certificate of the bucket is read again. */
  rereadAfterMs: number;
  log: Logger;
  registry: Registry;
};

/** What a TLS server needs for its handshakes. */
export type Credentials = {
  /** For a client that names no host; undefined where no file is configured: its handshake fails. */
  readonly fallback: Pem | undefined;
  /** Takes the place of `fallback` from then on, each time the files change. */
  onFallbackRenewed(listener: (pem: Pem) => void): void;
  /** Undefined: no certificate is for that name. Never rejects. */
  contextFor(serverName: string): Promise<SecureContext | undefined>;
  close(): Promise<void>;
};

/** @throws Error that names the variable, when the configured files cannot be used. */
export async function openCredentials(options: CredentialsOptions): Promise<Credentials> {
  const { files, deployDomain, store, rereadAfterMs, log, registry } = options;
  let onRenewed = (_pem: Pem): void => {};
  const opened = files && (await openFileCredential({ ...files, log, onRenewed: (pem) => onRenewed(pem) }));
  const bucket = createBucketCredentials({ store, log, rereadAfterMs });
  const file = opened?.credential;
  const handshakes = counter({
    registry,
    name: 'origan_edge_tls_certificates_total',
    help: 'Handshakes by what was found for their server name: a certificate, none, or a failure.',
    labels: ['result'] as const,
  });
  for (const result of ['found', 'none', 'failed']) handshakes.inc({ result }, 0);
  observedGauge({
    registry,
    name: 'origan_edge_tls_first_expiry_seconds',
    help: 'Unix time at which the first of the certificates in memory ends; 0 without any.',
    read: () => {
      const ends = [file?.current().notAfterMs, bucket.firstEndMs()].filter((end) => end !== undefined);
      return ends.length === 0 ? 0 : Math.min(...ends) / 1000;
    },
  });
  return {
    fallback: opened?.pem,
    onFallbackRenewed: (listener) => (onRenewed = listener),
    contextFor: async (serverName) => {
      try {
        const context = await chooseCredential({ file, bucket, deployDomain }, serverName);
        handshakes.inc({ result: context === undefined ? 'none' : 'found' });
        return context;
      } catch (error) {
        handshakes.inc({ result: 'failed' });
        log.debug({ error: describeFailure(error) }, 'no certificate could be read');
        return undefined;
      }
    },
    close: async () => file?.close(),
  };
}
