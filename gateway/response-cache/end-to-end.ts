import type { FunctionReply } from '../../runner-client/runner-client.ts';
import { responseHeaders } from '../functions/upstream-headers.ts';

/** The reply's headers that are for the client and may be stored (RFC 9111 section 3.1). */
export function endToEnd({ headers, status }: FunctionReply): [string, string][] {
  const flat = responseHeaders(headers, status);
  const pairs: [string, string][] = [];
  for (let index = 0; index < flat.length; index += 2) pairs.push([flat[index] ?? '', flat[index + 1] ?? '']);
  return pairs;
}
