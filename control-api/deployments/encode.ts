import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip, zstdCompress } from 'node:zlib';
import { ENCODINGS, type Encoding } from '../../contracts/manifest.ts';

/** Files below this are not worth a second form: the headers weigh more than what is saved. */
export const MIN_ENCODED_BYTES = 1024;
/** Files above this are served as they are: encoding holds the whole file in memory. */
export const MAX_ENCODED_BYTES: number = 32 * 1024 * 1024;
/** A form must be this much smaller, or it is not kept. */
const MIN_SAVING = 0.05;
// Brotli's highest levels cost ten times as much for a percent or two: they are for files where that is milliseconds.
const SMALL_BYTES = 32 * 1024;

export type EncodedBytes = { coding: Encoding; bytes: Buffer; hash: string };

const brotli = promisify(brotliCompress);
const zstd = promisify(zstdCompress);
const deflate = promisify(gzip);

/** The forms of a file that save enough. Runs on the threads of the pool, not on the event loop. */
export async function encodeBytes(bytes: Buffer): Promise<EncodedBytes[]> {
  const forms = await Promise.all(
    ENCODINGS.map(async (coding) => ({ coding, bytes: await compress(coding, bytes) })),
  );
  return forms
    .filter((form) => form.bytes.length <= bytes.length * (1 - MIN_SAVING))
    .map((form) => ({ ...form, hash: createHash('sha256').update(form.bytes).digest('hex') }));
}

async function compress(coding: Encoding, bytes: Buffer): Promise<Buffer> {
  switch (coding) {
    case 'br':
      return await brotli(bytes, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: bytes.length <= SMALL_BYTES ? 11 : 9,
          [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        },
      });
    case 'zstd':
      return await zstd(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 15 } });
    case 'gzip':
      return await deflate(bytes, { level: 9 });
    default:
      return coding satisfies never;
  }
}
