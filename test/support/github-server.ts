import { createPublicKey, generateKeyPairSync, verify, type KeyObject } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type GithubServer = {
  url: string;
  appId: string;
  /** PEM, as GitHub hands it out (PKCS #1). */
  privateKey: string;
  /** Tokens made so far. */
  made(): number;
  /** Lifetime of the tokens that are made from now on; an hour at first. */
  setLifetimeMs(ms: number): void;
  /** Answers every further request for a token with this status. */
  failWith(status: number | undefined): void;
  close(): Promise<void>;
};

/** The one call of GitHub's REST interface that makes installation tokens; it checks the App's JWT as GitHub does. */
export async function startGithubServer(nowMs: () => number = Date.now): Promise<GithubServer> {
  const appId = '4242';
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const state = { made: 0, lifetimeMs: 3_600_000, failure: undefined as number | undefined };
  const server = createServer((request, response) => {
    void respond(request, response);
  });
  const answer = async (request: IncomingMessage): Promise<{ status: number; body: unknown }> => {
    const match = /^\/app\/installations\/(\d+)\/access_tokens$/.exec(request.url ?? '');
    if (request.method !== 'POST' || match === null) return { status: 404, body: { message: 'Not Found' } };
    if (!isAppJwt(request.headers.authorization, publicKey, appId)) {
      return { status: 401, body: { message: 'A JSON web token could not be decoded' } };
    }
    if (state.failure !== undefined) return { status: state.failure, body: { message: 'no' } };
    const asked: unknown = JSON.parse(await readText(request));
    state.made += 1;
    const expiresAt = new Date(nowMs() + state.lifetimeMs).toISOString().replace(/\.\d+Z$/, 'Z');
    const body = { token: `ghs_${match[1]}_${state.made}`, expires_at: expiresAt, permissions: {}, asked };
    return { status: 201, body };
  };
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { status, body } = await answer(request);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    appId,
    privateKey: privateKey.export({ type: 'pkcs1', format: 'pem' }),
    made: () => state.made,
    setLifetimeMs: (ms) => {
      state.lifetimeMs = ms;
    },
    failWith: (status) => {
      state.failure = status;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** RS256 by the App's key, issued by the App, valid now and for ten minutes at most. */
function isAppJwt(authorization: string | undefined, publicKey: KeyObject, appId: string): boolean {
  const [head = '', payload = '', signature = ''] = (authorization ?? '').replace(/^bearer /i, '').split('.');
  const key = createPublicKey(publicKey.export({ type: 'spki', format: 'pem' }));
  if (!verify('RSA-SHA256', Buffer.from(`${head}.${payload}`), key, Buffer.from(signature, 'base64url')))
    return false;
  const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const { iss, iat, exp } = claims as { iss: unknown; iat: number; exp: number };
  const nowS = Date.now() / 1000;
  return String(iss) === appId && iat <= nowS + 60 && exp > nowS && exp - iat <= 660;
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
