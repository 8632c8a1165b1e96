import { createHash, randomBytes } from 'node:crypto';

const PREFIX = 'origan_';

/** A new token: 256 random bits behind a prefix by which secret scanners recognise it. */
export function createTokenText(): string {
  return `${PREFIX}${randomBytes(32).toString('base64url')}`;
}

/** The form in which a token is kept and looked up. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** The token of an Authorization header (RFC 6750 section 2.1), or undefined. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return /^Bearer +([\w.~+/-]+=*) *$/i.exec(authorization ?? '')?.[1];
}
