import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { messageOf } from '../core/errors.ts';
import { CliError } from './cli-error.ts';

/** SHA-256 (lower-case hex) and the number of bytes read: a file of any size, in constant memory. */
export async function hashFile(path: string): Promise<{ hash: string; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  const chunks: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: 256 * 1024 });
  for await (const chunk of chunks) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { hash: hash.digest('hex'), size };
}

/** The same of a file that was found in a site. @throws CliError when it cannot be read any more, or not at all. */
export async function hashFound({
  path,
  absolutePath,
}: {
  path: string;
  absolutePath: string;
}): Promise<{ hash: string; size: number }> {
  try {
    return await hashFile(absolutePath);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new CliError('FILE_CHANGED', `${path} vanished while it was being deployed.`, {
        hint: 'Let the build finish first, then deploy again.',
        cause: error,
      });
    }
    throw new CliError('CANNOT_PUBLISH', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** SHA-256 (lower-case hex) of bytes already in memory. */
export function hashBytes(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
