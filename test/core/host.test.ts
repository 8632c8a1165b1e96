import { describe, expect, test } from 'vitest';
import { normalizeHost, withoutPort } from '../../core/host.ts';

describe('normalizeHost', () => {
  test.each([
    ['example.com', 'example.com'],
    ['EXAMPLE.com', 'example.com'],
    ['example.com.', 'example.com'],
    ['Example.COM.:80', 'example.com'],
    ['example.com:443', 'example.com'],
    ['example.com:00080', 'example.com'],
    ['example.com:', 'example.com'],
    ['demo.localhost:7777', 'demo.localhost:7777'],
    ['demo.localhost.:7777', 'demo.localhost:7777'],
    ['pr-12--abcdefghij.example.com', 'pr-12--abcdefghij.example.com'],
    ['with_underscore.example', 'with_underscore.example'],
    ['localhost', 'localhost'],
    ['127.0.0.1:8080', '127.0.0.1:8080'],
    [`${'a'.repeat(63)}.com`, `${'a'.repeat(63)}.com`],
  ])('%j is %j', (authority, expected) => {
    expect(normalizeHost(authority)).toBe(expected);
  });

  test.each([
    ['bücher.example', 'xn--bcher-kva.example'],
    ['BÜCHER.example:8080', 'xn--bcher-kva.example:8080'],
    ['faß.de', 'xn--fa-hia.de'],
    ['☃.net', 'xn--n3h.net'],
    // Other full stops of IDNA (UTS 46), in the middle and at the end.
    ['例え。テスト', 'xn--r8jz45g.xn--zckzah'],
    ['bücher.example。', 'xn--bcher-kva.example'],
    ['ｅｘａｍｐｌｅ.com', 'example.com'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ])('IDNA: %j is %j', (authority, expected) => {
    expect(normalizeHost(authority)).toBe(expected);
  });

  test.each([
    ['[::1]', '[::1]'],
    ['[::1]:80', '[::1]'],
    ['[::1]:7777', '[::1]:7777'],
    ['[2001:DB8::A]', '[2001:db8::a]'],
    // One address, one key (RFC 5952).
    ['[2001:db8:0:0:0:0:0:a]:443', '[2001:db8::a]'],
    ['[::ffff:127.0.0.1]', '[::ffff:7f00:1]'],
  ])('IPv6: %j is %j', (authority, expected) => {
    expect(normalizeHost(authority)).toBe(expected);
  });

  test.each([
    '',
    '.',
    '..',
    ':80',
    'example..com',
    'example.com..',
    '.example.com',
    'example.com:0',
    'example.com:65536',
    'example.com:123456',
    'example.com:80:80',
    'example.com:-1',
    'example.com:8e1',
    'example.com: 80',
    '-example.com',
    'example-.com',
    'exa mple.com',
    'example.com ',
    'user@example.com',
    'example.com/path',
    'example.com?query',
    'example.com#fragment',
    'example.com\\path',
    'exam%70le.com',
    'exam\0ple.com',
    'exam\tple.com',
    'exam\nple.com',
    'exam\rple.com',
    '*.example.com',
    'a,b',
    '{host}',
    'domain:x',
    `${'a'.repeat(64)}.com`,
    `${'a.'.repeat(127)}com`,
    '[::1',
    '::1',
    '[]',
    '[:::::]',
    '[1.2.3.4]',
    '[::1%25eth0]',
    '[fe80::1%eth0]',
    '[g::1]',
    '[::1]x',
    '[::1]:x',
  ])('%j is no host', (authority) => {
    expect(normalizeHost(authority)).toBeUndefined();
  });

  // A URL parser would take these for a host and something else, and drop the something else.
  test.each([
    'bücher.example/path',
    'bücher.example?query',
    'bücher.example#fragment',
    'bücher.example\\path',
    'büch\ter.example',
    'büch\ner.example',
    'user@bücher.example',
    'bücher.example:80:80',
    'bücher%2eexample',
    ' bücher.example',
    'bücher.example ',
  ])('%j is no host, though a part of it would be', (authority) => {
    expect(normalizeHost(authority)).toBeUndefined();
  });

  test('a normalised host stays as it is', () => {
    for (const host of ['xn--bcher-kva.example:8080', '[2001:db8::a]:7777', 'a.b.c', '127.0.0.1']) {
      expect(normalizeHost(normalizeHost(host) ?? '')).toBe(host);
    }
  });

  test('takes no more than linear time', () => {
    const sizes = [2000, 20_000, 200_000];
    for (const size of sizes) expect(normalizeHost('a.'.repeat(size))).toBeUndefined();
    for (const size of sizes) expect(normalizeHost('-'.repeat(size))).toBeUndefined();
    for (const size of sizes) expect(normalizeHost('ü'.repeat(size))).toBeUndefined();
  });
});

describe('withoutPort', () => {
  test.each([
    ['example.com', 'example.com'],
    ['example.com:7777', 'example.com'],
    ['[::1]', '[::1]'],
    ['[::1]:7777', '[::1]'],
  ])('of %j is %j', (host, expected) => {
    expect(withoutPort(host)).toBe(expected);
  });
});
