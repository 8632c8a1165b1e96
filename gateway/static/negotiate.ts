import Negotiator from 'negotiator';
import { ENCODINGS, type Encoding } from '../../contracts/manifest.ts';

/** A form of a file: one of its encodings, or its bytes as they are. */
export type Coding = Encoding | 'identity';

/** Every coding, in the order in which the edge prefers them where the client has no preference. */
export const CODINGS: readonly Coding[] = [...ENCODINGS, 'identity'];

// Browsers and libraries send a few dozen different values; whoever sends random ones pays for parsing each time.
const MAX_REMEMBERED = 512;
const remembered = new Map<string, readonly Coding[]>();
const IDENTITY_ONLY: readonly Coding[] = ['identity'];

/**
 * The codings that a request accepts, best first: by the client's weights, then br > zstd > gzip > identity
 * (RFC 9110 section 12.5.3: `q=0`, `*` and `identity;q=0` included). Without the header the file goes as it is:
 * section 12.5.3 allows any coding then, and clients that do not ask for one rarely know any.
 */
export function acceptedCodings(acceptEncoding: string | undefined): readonly Coding[] {
  if (acceptEncoding === undefined) return IDENTITY_ONLY;
  const known = remembered.get(acceptEncoding);
  if (known !== undefined) return known;
  const parsed = parse(acceptEncoding);
  if (remembered.size >= MAX_REMEMBERED) remembered.clear();
  remembered.set(acceptEncoding, parsed);
  return parsed;
}

/** The library's third argument, which its types do not know yet. */
type PreferringNegotiator = {
  encodings(available: readonly string[], options: { preferred: readonly string[] }): Coding[];
};

function parse(acceptEncoding: string): readonly Coding[] {
  // RFC 9110 section 8.4.1.3: `x-gzip` is `gzip`. Parameter names are case-insensitive, the library's are not.
  const normal = acceptEncoding.toLowerCase().replaceAll(/(^|[\s,])x-gzip(?=$|[\s,;])/g, '$1gzip');
  const negotiator = new Negotiator({ headers: { 'accept-encoding': normal } });
  return (negotiator as unknown as PreferringNegotiator).encodings(CODINGS, { preferred: CODINGS });
}
