import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { makeCertificates } from './make-certificates.ts';
import { startProcess, type StartedProcess } from './process.ts';
import { makeTempDir } from './temp-dir.ts';
import { waitUntil } from './wait-until.ts';

export type Pebble = {
  directoryUrl: string;
  port: number;
  /** File of the authority that pebble's own HTTPS certificate is checked against. */
  caFile: string;
  /** Where names are looked up, by pebble and by whoever is given it. */
  dnsServer: string;
  /** The root of what it issues, PEM; another one after each start. */
  root(): Promise<string>;
  /** Addresses of a name; none: the name does not exist. Others are at 127.0.0.1. */
  setAddress(host: string, address: string | undefined): Promise<void>;
  /** What it has written, pebble itself. */
  output(): string;
  stop(): Promise<void>;
  /** Starts again, having forgotten everything. */
  start(): Promise<void>;
  close(): Promise<void>;
};

export type PebbleOptions = {
  /** Where it asks for proofs over HTTP. */
  httpPort: number;
  /** Lifetime of certificates in seconds. Default 90 days. */
  validitySeconds?: number;
  /** Key id and base64url key; with it, only bound accounts are taken. */
  binding?: { kid: string; hmacKey: string };
  /** PEBBLE_* variables, such as the part of good nonces that are refused. */
  env?: Readonly<Record<string, string>>;
};

/**
 * A real ACME server on loopback with a name server of its own (Debian: `pebble`). It refuses one in five good nonces unless
 * told otherwise, and knows every authorization anew.
 */
export async function startPebble(options: PebbleOptions): Promise<Pebble> {
  const temp = await makeTempDir('pebble');
  const files = makeCertificates(temp.path, 'localhost');
  const ports = { acme: await freePort(), management: await freePort(), tls: await freePort() };
  const dns = await startNameServer();
  const config = join(temp.path, 'pebble.json');
  await writeFile(config, JSON.stringify({ pebble: toConfig(options, files, ports) }));
  const launch = async (): Promise<StartedProcess> => {
    const started = startProcess('pebble', {
      args: ['-config', config, '-dnsserver', dns.address, '-strict', 'false'],
      env: { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '20', PEBBLE_AUTHZREUSE: '0', ...options.env },
    });
    started.exited.catch(() => undefined);
    await started.waitFor(/ACME directory available/).catch((error: unknown) => {
      throw new Error('these tests need pebble: apt-get install -y pebble', { cause: error });
    });
    await Promise.all([ports.acme, ports.management].map((port) => untilItListens(started, port)));
    return started;
  };
  let running = await launch();
  const ca = readFileSync(files.ca, 'utf8');
  return {
    directoryUrl: `https://localhost:${ports.acme}/dir`,
    port: ports.acme,
    caFile: files.ca,
    dnsServer: dns.address,
    root: () => get(`https://localhost:${ports.management}/roots/0`, ca),
    setAddress: dns.setAddress,
    output: () => running.stdout() + running.stderr(),
    stop: async () => void (await running.stop('SIGKILL')),
    start: async () => {
      running = await launch();
    },
    close: async () => {
      await Promise.all([running.stop('SIGKILL'), dns.close()]);
      await temp.remove();
    },
  };
}

function toConfig(
  { httpPort, validitySeconds = 90 * 86_400, binding }: PebbleOptions,
  files: { cert: string; key: string },
  ports: { acme: number; management: number; tls: number },
): object {
  return {
    listenAddress: `127.0.0.1:${ports.acme}`,
    managementListenAddress: `127.0.0.1:${ports.management}`,
    certificate: files.cert,
    privateKey: files.key,
    httpPort,
    tlsPort: ports.tls,
    certificateValidityPeriod: validitySeconds,
    externalAccountBindingRequired: binding !== undefined,
    ...(binding === undefined ? {} : { externalAccountMACKeys: { [binding.kid]: binding.hmacKey } }),
  };
}

type NameServer = {
  address: string;
  setAddress: Pebble['setAddress'];
  close(): Promise<void>;
};

async function startNameServer(): Promise<NameServer> {
  const [dns, management] = [await freePort(), await freePort()];
  const started = startProcess('pebble-challtestsrv', {
    args: Object.entries({
      dns01: `127.0.0.1:${dns}`,
      management: `127.0.0.1:${management}`,
      http01: '',
      https01: '',
      tlsalpn01: '',
      defaultIPv4: '127.0.0.1',
      defaultIPv6: '',
    }).flatMap(([name, value]) => [`-${name}`, value]),
  });
  await started.waitFor(/Starting challenge servers/).catch((error: unknown) => {
    throw new Error('these tests need pebble-challtestsrv: apt-get install -y pebble', { cause: error });
  });
  await Promise.all([dns, management].map((port) => untilItListens(started, port)));
  const order = async (path: string, body: object): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${management}/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  };
  return {
    address: `127.0.0.1:${dns}`,
    setAddress: async (host, address) => {
      await order('clear-a', { host });
      await order('clear-servfail', { host });
      if (address === undefined) await order('set-servfail', { host });
      else await order('add-a', { host, addresses: [address] });
    },
    close: async () => void (await started.stop('SIGKILL')),
  };
}

/** What these programs say of themselves they say before they listen. */
async function untilItListens(program: StartedProcess, port: number): Promise<void> {
  await waitUntil(async () => {
    if (program.child.exitCode !== null) throw new Error(`it ended: ${program.stdout()}${program.stderr()}`);
    const socket = connect(port, '127.0.0.1');
    return await once(socket, 'connect')
      .then(
        () => true,
        () => false,
      )
      .finally(() => socket.destroy());
  });
}

function get(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request(url, { ca }, (answer) => {
      let text = '';
      answer
        .setEncoding('utf8')
        .on('data', (chunk: string) => (text += chunk))
        .on('end', () => resolve(text));
    })
      .once('error', reject)
      .end();
  });
}
