import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Certificates = { ca: string; cert: string; key: string };

/**
 * A certificate for the host, signed by a certificate authority of its own; answers the files' paths. Valid for two days,
 * or for as many as are wanted: -1 ended yesterday.
 */
export function makeCertificates(directory: string, host: string, days = 2): Certificates {
  const at = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: 'ignore' });
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-days',
    '2',
    '-subj',
    '/CN=Test CA',
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.pem'),
  );
  openssl('req', ...newKey, '-subj', `/CN=${host}`, '-keyout', at('host.key'), '-out', at('host.csr'));
  writeFileSync(at('host.ext'), `subjectAltName=DNS:${host}\nbasicConstraints=CA:FALSE\n`);
  const signer = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial'];
  openssl(
    'x509',
    '-req',
    '-in',
    at('host.csr'),
    ...signer,
    '-days',
    String(days),
    '-extfile',
    at('host.ext'),
    '-out',
    at('host.pem'),
  );
  return { ca: at('ca.pem'), cert: at('host.pem'), key: at('host.key') };
}
