import { isHopByHop } from '../contracts/header-names.ts';
import {
  DEPLOYMENT_ID_HEADER,
  FUNCTION_HASH_HEADER,
  FUNCTION_PATH_HEADER,
  MAX_METADATA_HEADER_BYTES,
  METADATA_HEADER,
  METADATA_REF_HEADER,
  PLATFORM_HEADER_PREFIX,
  PREFETCH_HEADER,
  PROJECT_ID_HEADER,
  REQUEST_ID_HEADER,
  SIGNATURE_HEADER,
} from './contract.ts';
import type { FunctionCall, HeaderList } from './runner-client.ts';
import { signHeaders } from './signature.ts';

/** Framing belongs to this connection, not to the message: never passed on (RFC 9110 section 7.6.1). */
export const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'expect',
]);

/** What goes over the wire: a call, or the wish to have its function made ready. */
export type WireCall = FunctionCall & { isPrefetch?: boolean };

/** The headers of a call as undici takes them: names and values in turn. */
export function requestHeaders(call: WireCall, secret: string | undefined, nowMs: number): string[] {
  const flat: string[] = [];
  for (const [name, value] of call.headers) {
    if (isPassedOn(name.toLowerCase(), call)) flat.push(name, value);
  }
  const platform = platformHeaders(call);
  for (const [name, value] of platform) flat.push(name, value);
  if (secret !== undefined)
    flat.push(
      SIGNATURE_HEADER,
      signHeaders(secret, (name) => platform.get(name), nowMs),
    );
  return flat;
}

/** What a runner is told beyond the request itself. */
function platformHeaders(call: WireCall): Map<string, string> {
  const headers = new Map([
    [DEPLOYMENT_ID_HEADER, call.deploymentId],
    [PROJECT_ID_HEADER, call.projectId],
    [call.isPrefetch === true ? PREFETCH_HEADER : FUNCTION_PATH_HEADER, encodeKey(call.functionKey)],
    [REQUEST_ID_HEADER, call.requestId],
  ]);
  if (call.functionHash !== undefined) headers.set(FUNCTION_HASH_HEADER, call.functionHash);
  if (call.metadata === undefined) return headers;
  if (call.metadata.length <= MAX_METADATA_HEADER_BYTES) headers.set(METADATA_HEADER, call.metadata);
  else headers.set(METADATA_REF_HEADER, 'cache');
  return headers;
}

// A key may hold any Unicode, a header only bytes: UTF-8 bytes, each as one Latin-1 character, as Node writes them.
function encodeKey(key: string): string {
  return Buffer.from(key, 'utf8').toString('latin1');
}

function isPassedOn(name: string, call: FunctionCall): boolean {
  if (CONNECTION_HEADERS.has(name) || name.startsWith(PLATFORM_HEADER_PREFIX)) return false;
  return name !== 'content-length' || call.body !== null;
}

/** Header fields as they came over the wire: order, case and repetition kept. */
export function parseRawHeaders(raw: unknown): [name: string, value: string][] {
  if (!Array.isArray(raw)) return [];
  const fields: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2)
    fields.push([latin1(raw[index]), latin1(raw[index + 1])]);
  return fields;
}

/** End-to-end fields of an answer: hop-by-hop ones and every one that Connection names are left out. */
export function endToEnd(fields: HeaderList): HeaderList {
  const dropped = new Set(CONNECTION_HEADERS);
  for (const [name, value] of fields) {
    if (name.toLowerCase() === 'connection') {
      for (const option of value.split(',')) dropped.add(option.trim().toLowerCase());
    }
  }
  return fields.filter(([name]) => {
    const lower = name.toLowerCase();
    return !dropped.has(lower) && !isHopByHop(lower);
  });
}

/** First value of a field. */
export function fieldValue(fields: HeaderList, lowerCaseName: string): string | undefined {
  return fields.find(([name]) => name.toLowerCase() === lowerCaseName)?.[1];
}

function latin1(value: unknown): string {
  return Buffer.isBuffer(value) ? value.toString('latin1') : String(value);
}
