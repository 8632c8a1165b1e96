import { readFile } from 'node:fs/promises';
import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { toCredential, type Credential, type Pem } from './credential.ts';

/** How often the files are looked at, milliseconds: a certificate is renewed weeks before it ends. */
const LOOK_EVERY_MS = 30_000;

export type FilePaths = { certFile: string; keyFile: string };

export type FileCredential = {
  current(): Credential;
  close(): void;
};

export type FileCredentialOptions = FilePaths & {
  log: Logger;
  /** Called with the PEM texts of each renewed certificate. */
  onRenewed: (pem: Pem) => void;
  /** Milliseconds between looks. Default 30 s. */
  lookEveryMs?: number;
};

/**
 * The certificate of two files, read again when they change: by their text, since secrets mounted into a container change
 * by a link. What cannot be used is logged once and the old one stays.
 *
 * @throws Error that names the variable and what is wrong, when the files cannot be used at the start.
 */
export async function openFileCredential(
  options: FileCredentialOptions,
): Promise<{ credential: FileCredential; pem: Pem }> {
  const { log, onRenewed, lookEveryMs = LOOK_EVERY_MS } = options;
  const pem = await readPem(options);
  let text = textOf(pem);
  let current = usable(options, pem);
  const look = async (): Promise<void> => {
    const next = await readPem(options);
    if (textOf(next) === text) return;
    text = textOf(next);
    current = usable(options, next);
    onRenewed(next);
    log.info({ notAfter: new Date(current.notAfterMs).toISOString() }, 'certificate renewed');
  };
  let lastFailure = '';
  const tryLook = async (): Promise<void> => {
    try {
      await look();
      lastFailure = '';
    } catch (error) {
      const failure = messageOf(error);
      if (failure !== lastFailure) log.error({ error: failure }, 'renewed certificate not taken');
      lastFailure = failure;
    }
  };
  // One look at a time: of two, the later one could be overtaken by what the earlier one read; and of files that hang, each
  // look would keep threads that all of the process needs.
  let isLooking = false;
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    void tryLook().finally(() => (isLooking = false));
  }, lookEveryMs).unref();
  return { credential: { current: () => current, close: () => clearInterval(timer) }, pem };
}

function usable({ certFile, keyFile }: FilePaths, pem: Pem): Credential {
  try {
    return toCredential(pem);
  } catch (error) {
    throw new Error(`TLS_CERT_FILE ${certFile}, TLS_KEY_FILE ${keyFile}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function readPem({ certFile, keyFile }: FilePaths): Promise<Pem> {
  const [certificate, key] = await Promise.all([
    readText('TLS_CERT_FILE', certFile),
    readText('TLS_KEY_FILE', keyFile),
  ]);
  return { certificate, key };
}

async function readText(variable: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new Error(
      `${variable}: ${path} cannot be read (${code}). Name a PEM file that this user may read.`,
      {
        cause: error,
      },
    );
  }
}

function textOf({ certificate, key }: Pem): string {
  return `${certificate}\n${key}`;
}
