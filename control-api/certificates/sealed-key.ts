import { hkdfSync } from 'node:crypto';
import { z } from 'zod';
import { openEnvironment, sealEnvironment } from '../../contracts/sealed-environment.ts';

const keySchema = z.object({ key: z.string() });

/** A private key as it is kept in the database, bound to what it is for: a row's key is of no use in another row. */
export function sealKey(pem: string, purpose: string, sealingKey: Buffer): string {
  return sealEnvironment({ key: pem }, purpose, derive(sealingKey));
}

/** Undefined when it was sealed with another key, or for another purpose. */
export function openKey(sealed: string, purpose: string, sealingKey: Buffer): string | undefined {
  try {
    return keySchema.parse(openEnvironment(sealed, purpose, derive(sealingKey))).key;
  } catch {
    // Whoever asks makes a new one: ENVIRONMENT_KEY was changed.
    return undefined;
  }
}

/** Runners hold ENVIRONMENT_KEY too, for another thing. */
function derive(sealingKey: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', sealingKey, '', 'origan certificates', 32));
}
