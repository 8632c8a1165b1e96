import { describe, expect, test } from 'vitest';
import { readControlApiConfig } from '../../../control-api/config.ts';
import { toAcmeSettings } from '../../../control-api/certificates/config.ts';
import { isPrivate } from '../../../control-api/certificates/self-check.ts';
import { whyUnsupported } from '../../../control-api/certificates/supported.ts';
import { ConfigError } from '../../../core/env.ts';

const read = (env: Record<string, string>): ReturnType<typeof toAcmeSettings> =>
  toAcmeSettings(readControlApiConfig({ ORIGAN_DEPLOY_DOMAIN: 'sites.test', ...env }));

describe('the environment', () => {
  test('without a directory switches it off, whatever else is set', () => {
    expect(read({ ACME_CONTACT: 'ops@example.com' })).toBeUndefined();
  });

  test('names everything that is missing beside the directory at once', () => {
    const failure = (): unknown =>
      read({
        ACME_DIRECTORY_URL: 'https://ca.test/dir',
        ACME_EAB_KEY_ID: 'kid',
        ACME_CA_FILE: '/nowhere/ca.pem',
      });
    expect(failure).toThrow(ConfigError);
    for (const name of ['ACME_TERMS_AGREED', 'ACME_EAB_HMAC_KEY', 'ENVIRONMENT_KEY', 'ACME_CA_FILE'])
      expect(failure).toThrow(name);
  });

  test.each([
    ['ACME_CONTACT', 'nobody'],
    ['ACME_DIRECTORY_URL', 'ca.test'],
    ['ACME_EAB_HMAC_KEY', 'not base64!'],
    ['ACME_DNS_SERVERS', 'dns.example'],
    ['ACME_RENEWAL_MARGIN_PERCENT', '100'],
  ])('refuses %s=%s by name', (name, value) => {
    expect(() => read({ [name]: value })).toThrow(name);
  });

  test('takes what an authority hands out', () => {
    const settings = read({
      ACME_DIRECTORY_URL: 'https://ca.test/dir',
      ACME_TERMS_AGREED: 'true',
      ACME_CONTACT: 'ops@example.com, more@example.com',
      ACME_EAB_KEY_ID: 'kid-1',
      ACME_EAB_HMAC_KEY: 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W',
      ACME_DNS_SERVERS: '192.0.2.53,[2001:db8::53]:5353',
      ENVIRONMENT_KEY: 'ab'.repeat(32),
    });
    expect(settings).toMatchObject({
      contact: ['mailto:ops@example.com', 'mailto:more@example.com'],
      binding: { kid: 'kid-1' },
      renewalMargin: 0.33,
      reach: { port: 80, allowsPrivate: false },
    });
  });
});

describe('names', () => {
  test.each(['www.example.com', 'example.com', 'a.b.example.co.uk', 'xn--mnchen-3ya.de'])(
    '%s has one',
    (host) => {
      expect(whyUnsupported(host, 'sites.test')).toBeUndefined();
    },
  );

  test.each([
    ['*.example.com', 'wildcard'],
    ['demo.localhost', 'public'],
    ['printer.local', 'public'],
    ['intranet', 'public'],
    ['shop.example.com:8080', 'port'],
    ['192.0.2.7', 'address'],
    ['[2001:db8::1]', 'address'],
    ['www.sites.test', 'platform'],
    ['my_shop.example.com', 'underscore'],
  ])('%s has none, and is told why', (host, word) => {
    expect(whyUnsupported(host, 'sites.test:7777')).toContain(word);
  });
});

describe('addresses', () => {
  test.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '255.255.255.255',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:10.0.0.1',
    '::ffff:8.8.8.8',
    '64:ff9b::a00:1',
    '2002:a00:1::',
    'ff02::1',
  ])('%s is not the world’s', (address) => {
    expect(isPrivate(address)).toBe(true);
  });

  test.each(['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450:4001::1'])(
    '%s is',
    (address) => {
      expect(isPrivate(address)).toBe(false);
    },
  );
});
