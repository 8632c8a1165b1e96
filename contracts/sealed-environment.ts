import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals a deployment's environment: AES-256-GCM with a random 96-bit IV, the deployment id as associated data
 * (so that one deployment's environment cannot be passed off as another's). Layout: IV, tag, ciphertext; base64url.
 * The key (32 bytes) is held by the control API and the runner alone; cache, bucket and gateway carry ciphertext.
 */
export function sealEnvironment(
  variables: Record<string, string>,
  deploymentId: string,
  key: Buffer,
): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  cipher.setAAD(Buffer.from(deploymentId));
  const sealed = Buffer.concat([cipher.update(JSON.stringify(variables), 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url');
}

/** Opens what `sealEnvironment` made. @throws when the key, the deployment id or the text is not the right one. */
export function openEnvironment(text: string, deploymentId: string, key: Buffer): unknown {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length < IV_BYTES + TAG_BYTES) throw new Error('the sealed environment is too short');
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES));
  decipher.setAAD(Buffer.from(deploymentId));
  decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  const opened = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
  return JSON.parse(opened.toString('utf8'));
}
