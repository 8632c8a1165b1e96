import type { CacheTls } from '../contracts/diagnosis.ts';
import { ok, warning, wrong, type Finding } from './doctor.ts';

const SOON_MS = 14 * 86_400_000;

/** The encrypted way to the cache server: whether it stands, and for how long. */
export function judgeTls(tls: CacheTls, nowMs: number): Finding[] {
  const check = 'cache TLS';
  const { address, problem, detail, validToMs } = tls;
  // That it cannot be reached at all is said elsewhere.
  if (problem === 'unreachable') return [];
  if (problem !== null) {
    return [wrong(check, `${address}: ${WORDS[problem]} (${detail})`, FIXES[problem](address, detail))];
  }
  if (validToMs === null) return [ok(check, `the certificate of ${address} is trusted`)];
  const day = new Date(validToMs).toISOString().slice(0, 10);
  return validToMs - nowMs > SOON_MS
    ? [ok(check, `the certificate of ${address} is trusted, until ${day}`)]
    : [warning(check, `the certificate of ${address} ends on ${day}`, RENEW)];
}

type Problem = Exclude<CacheTls['problem'], null | 'unreachable'>;

const WORDS: Readonly<Record<Problem, string>> = {
  expired: 'its certificate has expired',
  'not-yet-valid': 'its certificate is not valid yet',
  'self-signed': 'its certificate is self-signed, and not trusted here',
  'unknown-issuer': 'its certificate is from an authority that is not trusted here',
  'wrong-name': 'its certificate is for another name',
  'wants-certificate': 'it wants a certificate of its clients',
  'server-speaks-no-tls': 'CACHE_URL says TLS, and the server speaks none',
  'server-wants-tls': 'CACHE_URL says no TLS, and the server wants it',
  'ca-file': 'CACHE_TLS_CA_FILE cannot be read',
  other: 'no encrypted connection comes about',
};

const RENEW =
  'Renew it, and have the server read it: redis-cli --tls CONFIG SET tls-cert-file CERT.pem tls-key-file KEY.pem (Dragonfly: restart it with --tls_cert_file and --tls_key_file).';

const trustIssuer = (address: string): string =>
  `Set CACHE_TLS_CA_FILE to the certificate of the authority that issued it, as a PEM file. A self-signed one is its own: openssl s_client -connect ${address} </dev/null | openssl x509 >cache-ca.pem, compared with the server's file.`;

const FIXES: Readonly<Record<Problem, (address: string, detail: string) => string>> = {
  expired: () => RENEW,
  'not-yet-valid': () =>
    'Set the clocks right on both machines (timedatectl set-ntp true), or use the certificate from that day on.',
  'self-signed': trustIssuer,
  'unknown-issuer': trustIssuer,
  'wrong-name': (address, detail) =>
    `Name the server in CACHE_URL as its certificate does, or set CACHE_TLS_SERVER_NAME=${firstName(detail)}, or have a certificate made for ${address.replace(/:\d+$/, '')}.`,
  'wants-certificate': () =>
    'Services prove who they are by user and password: redis-cli --tls --cert CERT.pem --key KEY.pem CONFIG SET tls-auth-clients no (Dragonfly: start it without --tls_ca_cert_file).',
  'server-speaks-no-tls': () =>
    'Set CACHE_URL to redis://… (and CACHE_TLS=false), or start the server with --tls-port (Dragonfly: --tls).',
  'server-wants-tls': () => 'Set CACHE_URL to rediss://….',
  'ca-file': () => 'Set CACHE_TLS_CA_FILE to a PEM file that this user may read.',
  other: (address) => `Look at it: openssl s_client -connect ${address} </dev/null.`,
};

/** Of "it is for a.test, b.test". */
function firstName(detail: string): string {
  return /^it is for ([^,\s]+)/.exec(detail)?.[1] ?? 'NAME';
}
