import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import { fileURLToPath } from 'node:url';

/**
 * Never reachable for functions, whatever is allowed: where clouds serve their credentials, and addresses that
 * are no single public host (RFC 6890) or hide one that is denied (IPv4 in IPv6, RFC 6052).
 */
const ALWAYS_DENIED: readonly string[] = [
  '169.254.0.0/16',
  'fe80::/10',
  'fd00:ec2::/32',
  '100.100.100.200/32',
  '0.0.0.0/8',
  '192.0.0.0/24',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '2001::/32',
  '2002::/16',
  'ff00::/8',
  'unix',
  'unix-abstract',
];

/** How the supervisor tells workerd the scheme of the request's URL; workerd takes the header away. */
export const SCHEME_HEADER = 'x-origan-scheme';

export type WorkerdConfig = {
  /** Marks the dispatcher's own answers; functions never see it. */
  token: string;
  /** Networks that functions may reach: CIDR, or one of workerd's words (`public`, `private`, `local`). */
  allow: readonly string[];
  /** Exceptions from `allow`. */
  deny: readonly string[];
  /** Largest heap of an isolate, in MiB. */
  maxHeapMb: number;
};

/** The files that every function process is started with, by their paths. */
export type WorkerdFiles = { config: string; certificates: string };

/** Writes the configuration of the function processes and what goes with it into their private directory. */
export async function writeWorkerdFiles(directory: string, config: WorkerdConfig): Promise<WorkerdFiles> {
  for (const file of ['dispatcher.js', 'entry.js', 'console.js']) {
    const source = fileURLToPath(new URL(`isolate/${file}`, import.meta.url));
    await copyFile(source, join(directory, file));
  }
  const files = {
    config: join(directory, 'config.capnp'),
    certificates: join(directory, 'certificates.pem'),
  };
  await writeFile(files.config, workerdConfig(config), { mode: 0o600 });
  // Node's own list (with NODE_EXTRA_CA_CERTS): slim images have none, and workerd does not start without one.
  await writeFile(files.certificates, getCACertificates('default').join('\n'));
  return files;
}

/** Cap'n Proto text. The addresses of the two sockets are given on the command line, one pair for each process. */
export function workerdConfig({ token, allow, deny, maxHeapMb }: WorkerdConfig): string {
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  v8Flags = [${list([`--max-heap-size=${maxHeapMb}`])}],
  logging = (structuredLogging = true),
  services = [
    (name = "dispatcher", worker = (
      modules = [
        (name = "dispatcher", esModule = embed "dispatcher.js"),
        (name = "entry", text = embed "entry.js"),
        (name = "console", text = embed "console.js"),
      ],
      compatibilityDate = "2026-01-01",
      bindings = [
        (name = "LOADER", workerLoader = ()),
        (name = "INTERNET", service = "internet"),
        (name = "TOKEN", text = ${JSON.stringify(token)}),
      ],
      globalOutbound = "nowhere",
    )),
    (name = "internet", network = (
      allow = [${list(allow)}],
      deny = [${list([...ALWAYS_DENIED, ...deny])}],
      tlsOptions = (trustBrowserCas = true),
    )),
    (name = "nowhere", network = (allow = [])),
  ],
  sockets = [
    (name = "calls", address = "unix:calls", http = (forwardedProtoHeader = "${SCHEME_HEADER}"), service = "dispatcher"),
    (name = "control", address = "unix:control", http = (), service = (name = "dispatcher", entrypoint = "control")),
  ],
);
`;
}

function list(items: readonly string[]): string {
  return items.map((item) => JSON.stringify(item)).join(', ');
}
