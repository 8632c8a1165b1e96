import { expect, test } from 'vitest';
import { urlOf } from '../../control-api/projects/hosts.ts';

const config = (domain: string, scheme?: 'http' | 'https') => ({
  ORIGAN_DEPLOY_DOMAIN: domain,
  ORIGAN_PUBLIC_SCHEME: scheme,
});

test.each([
  ['example.app', undefined, 'abc.example.app', 'https://abc.example.app'],
  ['example.app', undefined, 'www.shop.test', 'https://www.shop.test'],
  ['localhost:7777', undefined, 'abc.localhost:7777', 'http://abc.localhost:7777'],
  ['localhost:7777', undefined, 'demo.localhost', 'http://demo.localhost:7777'],
  ['localhost:7777', undefined, 'demo.localhost:8000', 'http://demo.localhost:8000'],
  ['localhost', undefined, 'demo.localhost', 'http://demo.localhost'],
  ['example.app', 'http', 'abc.example.app', 'http://abc.example.app'],
] as const)('with the deploy domain %s (%s), %s is found at %s', (domain, scheme, host, url) => {
  expect(urlOf(config(domain, scheme), host)).toBe(url);
});
