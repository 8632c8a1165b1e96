import { readFileSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { CacheTls, TlsProblem } from '../contracts/diagnosis.ts';
import { messageOf } from '../core/errors.ts';
import type { CacheConfig } from './config.ts';

const TIMEOUT_MS = 3000;
const PING = 'PING\r\n';

type Node = { host: string; port: number };
type Tls = CacheConfig['tls'];

/**
 * Tries the encryption of the way to the cache server, apart from everything else, and says what is wrong with it.
 * Undefined: there is no server, or no encryption is wanted and the server wants none. Never throws.
 */
export async function probeTls({
  target,
  tls,
  isEnabled,
}: Pick<CacheConfig, 'target' | 'tls' | 'isEnabled'>): Promise<CacheTls | undefined> {
  if (target.kind === 'memory' || !isEnabled) return undefined;
  const probe = target.isTls ? tryTls : tryPlain;
  const found = await Promise.all(target.nodes.map((node) => probe(node, tls)));
  const known = found.filter((one) => one !== undefined);
  // The worst of several servers: one with a problem, else the one whose certificate ends first.
  return (
    known.find(({ problem }) => problem !== null) ??
    known.toSorted((one, other) => (one.validToMs ?? 0) - (other.validToMs ?? 0))[0]
  );
}

async function tryTls(node: Node, tls: Tls): Promise<CacheTls> {
  const address = addressOf(node);
  const wrong = (problem: TlsProblem, detail: string, validToMs: number | null = null): CacheTls => ({
    address,
    problem,
    detail,
    validToMs,
  });
  let ca: Buffer | undefined;
  try {
    ca = tls.caFile === undefined ? undefined : readFileSync(tls.caFile);
  } catch (error) {
    return wrong('ca-file', messageOf(error));
  }
  const attempt = await shakeHands(node, { ca, serverName: tls.serverName });
  if ('error' in attempt) {
    if (isUnreachable(attempt.error)) return wrong('unreachable', messageOf(attempt.error));
    return (await answersPlainly(node))
      ? wrong('server-speaks-no-tls', 'it answers without encryption')
      : wrong(problemOf(attempt.error), messageOf(attempt.error));
  }
  const { code, validToMs } = attempt;
  if (code === undefined) return { address, problem: null, detail: attempt.names, validToMs };
  return wrong(CERTIFICATE_PROBLEMS[code] ?? 'other', detailOf(code, attempt), validToMs);
}

/** A server that is asked in clear says nothing where it wants TLS. */
async function tryPlain(node: Node): Promise<CacheTls | undefined> {
  if (await answersPlainly(node)) return undefined;
  const attempt = await shakeHands(node, {});
  if ('error' in attempt) return undefined;
  return {
    address: addressOf(node),
    problem: 'server-wants-tls',
    detail: 'it answers with encryption only',
    validToMs: attempt.validToMs,
  };
}

const CERTIFICATE_PROBLEMS: Readonly<Record<string, TlsProblem>> = {
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not-yet-valid',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'unknown-issuer',
  UNABLE_TO_GET_ISSUER_CERT: 'unknown-issuer',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown-issuer',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown-issuer',
  CERT_SIGNATURE_FAILURE: 'unknown-issuer',
  ERR_TLS_CERT_ALTNAME_INVALID: 'wrong-name',
};

type Certificate = { names: string; issuer: string; validFromMs: number | null; validToMs: number | null };
type Attempt = { error: unknown } | ({ code: string | undefined } & Certificate);

function detailOf(code: string, { names, issuer, validFromMs, validToMs }: Certificate): string {
  const day = (ms: number | null): string => (ms === null ? '?' : new Date(ms).toISOString().slice(0, 10));
  const problem = CERTIFICATE_PROBLEMS[code];
  if (problem === 'expired') return `it was valid until ${day(validToMs)}`;
  if (problem === 'not-yet-valid') return `it is valid from ${day(validFromMs)} on`;
  if (problem === 'wrong-name') return `it is for ${names}`;
  return problem === undefined ? code : `it was issued by ${issuer}`;
}

/** To the first answer of the server, since one that wants a certificate of ours says so only then. */
async function shakeHands(
  { host, port }: Node,
  { ca, serverName }: { ca?: Buffer | undefined; serverName?: string | undefined },
): Promise<Attempt> {
  const socket = connectTls({
    host,
    port,
    rejectUnauthorized: false,
    ...(ca === undefined ? {} : { ca }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  });
  socket.once('secureConnect', () => socket.write(PING));
  try {
    await firstAnswer(socket);
    const { authorized, authorizationError } = socket;
    // Typed as an Error; what is there is its code.
    const code = authorized ? undefined : String(authorizationError);
    return { code, ...describeCertificate(socket) };
  } catch (error) {
    return { error };
  } finally {
    socket.destroy();
  }
}

function describeCertificate(socket: TLSSocket): Certificate {
  const { valid_from: from, valid_to: to, subject, issuer, subjectaltname } = socket.getPeerCertificate();
  const parse = (text: string | undefined): number | null => (text === undefined ? null : Date.parse(text));
  const names = subjectaltname?.replaceAll(/(?:DNS|IP Address):/g, '') ?? String(subject?.CN ?? 'no name');
  return {
    names,
    issuer: String(issuer?.CN ?? issuer?.O ?? 'nobody known'),
    validFromMs: parse(from),
    validToMs: parse(to),
  };
}

async function answersPlainly({ host, port }: Node): Promise<boolean> {
  const socket = connectPlain({ host, port });
  socket.once('connect', () => socket.write(PING));
  try {
    // "+PONG", or an error such as "-NOAUTH". A TLS server's alert is a byte 21.
    return /^[+-]/.test(String(await firstAnswer(socket)));
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function firstAnswer(socket: Socket): Promise<Buffer> {
  return await new Promise((resolve, reject) => {
    socket.setTimeout(TIMEOUT_MS, () => reject(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    socket.on('error', reject);
    socket.once('data', resolve);
    socket.once('close', () => reject(new Error('it closed the connection')));
  });
}

function problemOf(error: unknown): TlsProblem {
  return codeOf(error) === 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' ||
    codeOf(error) === 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE'
    ? 'wants-certificate'
    : 'other';
}

function isUnreachable(error: unknown): boolean {
  return /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)$/.test(codeOf(error));
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}

function addressOf({ host, port }: Node): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
