// What the suite's client fetches with: one connection a request, headers as they came, interim responses too.
import { request } from 'node:http';

/**
 * Like `fetch`, as far as the suite uses it. Interim responses show as a field of their own, so that its tests can ask for them:
 * `Interim-Responses: 102, 103 link=…`.
 */
export function fetchRaw(url, { method = 'GET', headers = [], body } = {}) {
  return new Promise((resolve, reject) => {
    const interim = [];
    const sent = request(url, { method, headers: toSend(headers, body), agent: false });
    sent.on('information', ({ statusCode, headers: fields }) => interim.push(describe(statusCode, fields)));
    sent.on('error', reject);
    sent.on('response', (reply) => {
      const chunks = [];
      reply.on('data', (chunk) => chunks.push(chunk));
      reply.on('error', reject);
      reply.on('end', () => resolve(toResponse(reply, interim, Buffer.concat(chunks).toString())));
    });
    sent.end(body);
  });
}

/** The requests of a test in turn through several gateways, which all are one host to their clients. */
export function inTurn(bases) {
  const [first] = bases.map((base) => new URL(base));
  return (url, init = {}) => {
    const { pathname, search } = new URL(url);
    const headers = init.headers ?? [];
    const number = Number(headers.find(([name]) => name === 'Req-Num')?.[1] ?? 0);
    const base = bases[number % bases.length];
    return fetchRaw(`${base}${pathname}${search}`, { ...init, headers: [['Host', first.host], ...headers] });
  };
}

function describe(status, fields) {
  return [status, ...Object.entries(fields).map(([name, value]) => `${name}=${value}`)].join(' ');
}

/** Fields of one name stay as many lines as they are. */
function toSend(pairs, body) {
  const fields = {};
  for (const [name, value] of pairs) {
    const before = fields[name];
    fields[name] = before === undefined ? String(value) : [before, String(value)].flat();
  }
  if (body !== undefined) fields['Content-Length'] = String(Buffer.byteLength(body));
  return fields;
}

function toResponse({ rawHeaders, statusCode, statusMessage }, interim, text) {
  const lines = [];
  for (let at = 0; at < rawHeaders.length; at += 2) lines.push([rawHeaders[at], rawHeaders[at + 1]]);
  if (interim.length > 0) lines.push(['Interim-Responses', interim.join(', ')]);
  const headers = toHeaders(lines);
  return { status: statusCode, statusText: statusMessage, headers, text: () => Promise.resolve(text) };
}

function toHeaders(lines) {
  const fields = new Map();
  for (const [name, value] of lines) {
    const key = name.toLowerCase();
    fields.set(key, fields.has(key) ? `${fields.get(key)}, ${value}` : value);
  }
  const headers = {
    get: (name) => fields.get(name.toLowerCase()) ?? null,
    has: (name) => fields.has(name.toLowerCase()),
    forEach: (each) => fields.forEach(each),
    [Symbol.iterator]: () => fields.entries(),
  };
  // The suite's client reads `headers[name]` where it looks for what must not be there. Of no fetch's response is that
  // anything, so that these of its tests could not fail.
  return new Proxy(headers, {
    get: (target, name) =>
      typeof name === 'string' && !(name in target) ? fields.get(name.toLowerCase()) : target[name],
  });
}
