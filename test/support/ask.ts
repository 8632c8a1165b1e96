import { exchangeRaw, type RawResponse } from './raw-http.ts';

export type Question = {
  host?: string;
  method?: string;
  /** Request target exactly as it goes over the wire (Latin-1). */
  target: string;
  headers?: Readonly<Record<string, string>>;
};

/** One request on a connection of its own, written byte for byte. */
export function ask(port: number, question: Question): Promise<RawResponse> {
  const { host = 'site.test', method = 'GET', target, headers = {} } = question;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const bytes = `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${lines.join('')}\r\n`;
  return exchangeRaw(port, bytes, { toHead: method === 'HEAD' });
}
