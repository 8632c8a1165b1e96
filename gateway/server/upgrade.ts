import type { IncomingMessage } from 'node:http';

/**
 * Whether a request for another protocol may become a tunnel; if not, it is answered as if it had not asked (RFC 9110
 * section 7.8). One with a body is never, since bytes after the head would be read as both. Nor is HTTP/2 without TLS: a
 * tunnel of it would carry requests past every check.
 */
export function mayUpgrade({ headers, httpVersion }: IncomingMessage): boolean {
  const { upgrade, 'content-length': length, 'transfer-encoding': coding } = headers;
  const hasBody = coding !== undefined || (length !== undefined && Number(length) !== 0);
  return httpVersion === '1.1' && !hasBody && /^(?!h2c?$)[\w!#$%&'*+.^`|~/-]+$/i.test(upgrade ?? '');
}
