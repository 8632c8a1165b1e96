import type { X509Certificate } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { connect } from 'node:tls';
import type { DomainCertificate } from '../../contracts/certificates.ts';
import { apiPaths, type Domain } from '../../contracts/control-api.ts';
import { startAuthorityProxy, type AuthorityProxy } from './authority-proxy.ts';
import { startTestControlApi, type TestControlApi } from './control-api.ts';
import { freePort } from './free-port.ts';
import { startGatewayProcess, type GatewayProcess } from './gateway-process.ts';
import { startPebble, type Pebble, type PebbleOptions } from './pebble.ts';
import { makeTempDir } from './temp-dir.ts';

export const SEALING_KEY: string = 'ab'.repeat(32);

export type CertificateWorld = {
  pebble: Pebble;
  authority: AuthorityProxy;
  gateway: GatewayProcess;
  api: TestControlApi;
  tlsPort: number;
  bucket: string;
  /** Moves the control API's clock; gateway and authority stay where they are. */
  advance(ms: number): void;
  /** Sets it right again. */
  resetClock(): void;
  /** Ends the control API and starts it anew on the same state. */
  restart(env?: Record<string, string>): Promise<void>;
  add(host: string): Promise<void>;
  certificateOf(host: string): Promise<DomainCertificate | null>;
  close(): Promise<void>;
};

/** The variables with which a control API orders from a pebble. */
export function acmeEnv(
  authority: Pick<AuthorityProxy, 'directoryUrl' | 'caFile'>,
  { dnsServer }: Pick<Pebble, 'dnsServer'>,
  httpPort: number,
): Record<string, string> {
  return {
    ENVIRONMENT_KEY: SEALING_KEY,
    ACME_DIRECTORY_URL: authority.directoryUrl,
    ACME_TERMS_AGREED: 'true',
    ACME_CONTACT: 'ops@example.com',
    ACME_CA_FILE: authority.caFile,
    ACME_HTTP_PORT: String(httpPort),
    ACME_DNS_SERVERS: dnsServer,
    ACME_ALLOW_PRIVATE_ADDRESSES: 'true',
    ACME_LOOK_EVERY_MS: '100',
  };
}

/** A control API in this process, a gateway process on the same bucket, and a real authority with a proxy before it. */
export async function startCertificateWorld(
  options: { env?: Record<string, string>; pebble?: Partial<PebbleOptions> } = {},
): Promise<CertificateWorld> {
  const temp = await makeTempDir('certificates');
  const bucket = join(temp.path, 'bucket');
  const tlsPort = await freePort();
  const runner = await startNothing();
  const gateway = await startGatewayProcess({
    runnerUrl: `http://127.0.0.1:${portOf(runner)}`,
    bucket,
    env: { HAS_TLS_SERVER: 'true', GATEWAY_TLS_PORT: String(tlsPort), TLS_REREAD_AFTER_MS: '100' },
  });
  const pebble = await startPebble({ httpPort: gateway.port, ...options.pebble });
  const authority = await startAuthorityProxy(pebble);
  let offsetMs = 0;
  const clock = { nowMs: () => Date.now() + offsetMs, monotonicMs: () => performance.now() };
  const start = (env: Record<string, string> = {}): Promise<TestControlApi> =>
    startTestControlApi({
      directory: temp.path,
      clock,
      env: { ...acmeEnv(authority, pebble, gateway.port), ...options.env, ...env },
    });
  let api = await start();
  await api.send('POST', apiPaths.projects(), { name: 'site' });
  return {
    pebble,
    authority,
    gateway,
    get api() {
      return api;
    },
    tlsPort,
    bucket,
    advance: (ms) => void (offsetMs += ms),
    resetClock: () => void (offsetMs = 0),
    restart: async (env) => {
      await api.close();
      api = await start(env);
    },
    add: async (host) => {
      const { status, body } = await api.send('POST', apiPaths.domains('site'), { host });
      if (status !== 201) throw new Error(JSON.stringify(body));
    },
    certificateOf: async (host) => {
      const { body } = await api.send('GET', apiPaths.domains('site'));
      const found = (body.domains as Domain[]).find((domain) => domain.host === host);
      if (found === undefined) throw new Error(`no domain ${host}`);
      return found.certificate;
    },
    close: async () => {
      await api.close();
      await authority.close();
      await Promise.all([pebble.close(), gateway.close()]);
      runner.close();
      await temp.remove();
    },
  };
}

/** The certificate that a gateway serves for a name, verified against the authority's root. */
export function handshake(port: number, host: string, ca: string): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername: host, ca }, () => {
      const certificate = socket.getPeerX509Certificate();
      socket.end();
      if (certificate === undefined) reject(new Error('no certificate'));
      else resolve(certificate);
    });
    socket.once('error', reject);
  });
}

async function startNothing(): Promise<Server> {
  const server = createServer((_incoming, outgoing) => outgoing.writeHead(404).end());
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
