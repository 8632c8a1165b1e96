import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { z } from 'zod';
import { ConfigError, field } from '../../core/env.ts';
import { messageOf } from '../../core/errors.ts';

/** Variables of the control API for ordering certificates. */
export type AcmeFields = {
  ACME_DIRECTORY_URL: string | undefined;
  ACME_TERMS_AGREED: boolean;
  ACME_CONTACT: readonly string[];
  ACME_EAB_KEY_ID: string | undefined;
  ACME_EAB_HMAC_KEY: string | undefined;
  ACME_CA_FILE: string | undefined;
  ACME_RENEWAL_MARGIN_PERCENT: number;
  ACME_MAX_ORDERS_AT_ONCE: number;
  ACME_MAX_ORDERS_PER_HOUR: number;
  ACME_LOOK_EVERY_MS: number;
  ACME_HTTP_PORT: number;
  ACME_DNS_SERVERS: readonly string[];
  ACME_ALLOW_PRIVATE_ADDRESSES: boolean;
};

type Fields = { [Name in keyof AcmeFields]-?: z.ZodType<AcmeFields[Name]> };

export const acmeFields: Fields = {
  /**
   * Directory of a certificate authority (RFC 8555 section 7.1.1), such as
   * `https://acme-v02.api.letsencrypt.org/directory`. Default: certificates are not ordered.
   */
  ACME_DIRECTORY_URL: field.httpUrl().optional(),
  /** Whether you agree to the authority's terms of service. Required to be true with ACME_DIRECTORY_URL. */
  ACME_TERMS_AGREED: field.bool(false),
  /** Mail addresses that the authority may write to, separated by commas. Default: none. */
  ACME_CONTACT: field.list().refine((list) => list.every((each) => /^[^\s@]+@[^\s@]+$/.test(each)), {
    message: 'must be mail addresses, separated by commas',
  }),
  /** Key id of an external account binding (RFC 8555 section 7.3.4), where the authority wants one. */
  ACME_EAB_KEY_ID: field.text().optional(),
  /** The binding's HMAC key, base64url, as the authority gives it. */
  ACME_EAB_HMAC_KEY: z
    .string()
    .regex(/^[\w+/-]+={0,2}$/, 'must be base64url')
    .optional(),
  /** PEM file of the authorities that the directory's own certificate is checked against. Default: Node's. */
  ACME_CA_FILE: field.text().optional(),
  /** How much of a certificate's lifetime is left when it is renewed, percent. Default 33. */
  ACME_RENEWAL_MARGIN_PERCENT: field.int(33, 1, 90),
  /** Orders under way at once, of all control APIs together. Default 4. */
  ACME_MAX_ORDERS_AT_ONCE: field.int(4, 1, 100),
  /** Orders placed within an hour at most, of all control APIs together. Default 60; Let's Encrypt takes 100. */
  ACME_MAX_ORDERS_PER_HOUR: field.int(60, 1, 100_000),
  /** Milliseconds between two looks for certificates that are due. Default 10 s. */
  ACME_LOOK_EVERY_MS: field.int(10_000, 20, 3_600_000),
  /** Port at which the authority asks for the proof. Default 80, the only one that public authorities use. */
  ACME_HTTP_PORT: field.int(80, 1, 65_535),
  /**
   * Name servers (`address` or `address:port`) that say where a domain points before anything is ordered, where the
   * system's own give other answers inside than the world gets. Default: the system's.
   */
  ACME_DNS_SERVERS: field.list().refine((list) => list.every(isServer), {
    message: 'must be addresses, such as 192.0.2.53 or [2001:db8::53]:53',
  }),
  /**
   * Whether a domain may point at a loopback or private address: true only with an authority inside the same network.
   * Default false, since anybody who may add a domain chooses what this program connects to.
   */
  ACME_ALLOW_PRIVATE_ADDRESSES: field.bool(false),
};

/** What ordering needs, checked. */
export type AcmeSettings = Readonly<{
  directoryUrl: string;
  contact: readonly string[];
  binding: { kid: string; hmacKey: string } | undefined;
  /** PEM text. */
  ca: string | undefined;
  /** Keys in the database are sealed with it. */
  sealingKey: Buffer;
  /** Part of the lifetime. */
  renewalMargin: number;
  maxAtOnce: number;
  maxPerHour: number;
  lookEveryMs: number;
  reach: { port: number; dnsServers: readonly string[]; allowsPrivate: boolean };
}>;

/**
 * Undefined where certificates are not ordered.
 *
 * @throws ConfigError naming what is missing beside ACME_DIRECTORY_URL.
 */
export function toAcmeSettings(
  config: AcmeFields & { ENVIRONMENT_KEY: Buffer | undefined },
): AcmeSettings | undefined {
  const { ACME_DIRECTORY_URL: directoryUrl, ACME_EAB_KEY_ID: kid, ACME_EAB_HMAC_KEY: hmacKey } = config;
  if (directoryUrl === undefined) return undefined;
  const problems: string[] = [];
  if (!config.ACME_TERMS_AGREED)
    problems.push(
      'ACME_TERMS_AGREED: must be true with ACME_DIRECTORY_URL; read the terms of the authority first',
    );
  if ((kid === undefined) !== (hmacKey === undefined))
    problems.push('ACME_EAB_KEY_ID, ACME_EAB_HMAC_KEY: each needs the other one');
  const sealingKey = config.ENVIRONMENT_KEY;
  if (sealingKey === undefined)
    problems.push(
      'ENVIRONMENT_KEY: is required with ACME_DIRECTORY_URL; keys of certificates are sealed with it',
    );
  const ca = readCa(config.ACME_CA_FILE, problems);
  if (problems.length > 0 || sealingKey === undefined) throw new ConfigError('control-api', problems);
  return {
    directoryUrl,
    contact: config.ACME_CONTACT.map((address) => `mailto:${address}`),
    binding: kid === undefined || hmacKey === undefined ? undefined : { kid, hmacKey },
    ca,
    sealingKey,
    renewalMargin: config.ACME_RENEWAL_MARGIN_PERCENT / 100,
    maxAtOnce: config.ACME_MAX_ORDERS_AT_ONCE,
    maxPerHour: config.ACME_MAX_ORDERS_PER_HOUR,
    lookEveryMs: config.ACME_LOOK_EVERY_MS,
    reach: {
      port: config.ACME_HTTP_PORT,
      dnsServers: config.ACME_DNS_SERVERS,
      allowsPrivate: config.ACME_ALLOW_PRIVATE_ADDRESSES,
    },
  };
}

function readCa(file: string | undefined, problems: string[]): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    problems.push(`ACME_CA_FILE: cannot be read: ${messageOf(error)}`);
    return undefined;
  }
}

function isServer(text: string): boolean {
  const bracketed = /^\[(.+)\](?::\d{1,5})?$/.exec(text);
  if (bracketed !== null) return isIP(bracketed[1] ?? '') === 6;
  return isIP(text) !== 0 || isIP(text.replace(/:\d{1,5}$/, '')) === 4;
}
