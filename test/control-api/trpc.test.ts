import { createTRPCUntypedClient, httpLink } from '@trpc/client';
import superjson from 'superjson';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiPaths } from '../../contracts/control-api.ts';
import { deploy, startTestControlApi, TEST_TOKEN, type TestControlApi } from '../support/control-api.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

describe('the query of gateways', () => {
  let dir: TempDir;
  let api: TestControlApi;
  let deploymentId = '';
  let projectId = '';

  beforeAll(async () => {
    dir = await makeTempDir('trpc');
    api = await startTestControlApi({ directory: dir.path });
    await api.send('POST', apiPaths.projects(), { name: 'site' });
    const files = [{ path: '/a.txt', content: 'a' }];
    const { deployment } = await deploy(api, 'site', files, { domains: ['www.example.com'] });
    deploymentId = deployment.id;
    projectId = deployment.projectId;
  });
  afterAll(async () => {
    await api.close();
    await dir.remove();
  });

  const ask = async (procedure: string, input: unknown, init?: RequestInit): Promise<[number, string]> => {
    const query = encodeURIComponent(typeof input === 'string' ? input : JSON.stringify(input));
    const response = await fetch(`${api.url}/trpc/${procedure}?input=${query}`, init);
    return [response.status, await response.text()];
  };

  it.each(['deployments.getConfigByDomain', 'deployments.getConfig'])(
    'answers %s byte for byte',
    async (name) => {
      const [status, text] = await ask(name, { json: { domain: 'www.example.com' } });
      const rev: number = JSON.parse(text).result.data.json.rev;
      const hash = 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb';
      expect(status).toBe(200);
      expect(rev).toBeGreaterThan(0);
      expect(text).toBe(
        `{"result":{"data":{"json":{"config":{"version":1,"resources":[{"kind":"static","urlPath":"/a.txt",` +
          `"resourcePath":"a.txt","hash":"${hash}","size":1}],"objects":"by-hash"},` +
          `"deploymentId":"${deploymentId}","projectId":"${projectId}","rev":${rev}}}}}`,
      );
    },
  );

  it.each(['WWW.example.com', 'www.example.com.', 'www.example.com:80'])('finds %s', async (domain) => {
    expect((await ask('deployments.getConfigByDomain', { json: { domain } }))[0]).toBe(200);
  });

  it('says NOT_FOUND for a host that shows nothing, with and without a port', async () => {
    for (const domain of ['unknown.example.com', 'www.example.com:7777', 'no host at all']) {
      const [status, text] = await ask('deployments.getConfigByDomain', { json: { domain } });
      expect(status).toBe(404);
      const message = JSON.stringify(`Nothing is deployed at ${JSON.stringify(domain)}.`);
      expect(text).toBe(
        `{"error":{"json":{"message":${message},"code":-32004,` +
          `"data":{"code":"NOT_FOUND","httpStatus":404,"path":"deployments.getConfigByDomain"}}}}`,
      );
    }
  });

  it('takes GET only', async () => {
    const [status, text] = await ask(
      'deployments.getConfigByDomain',
      { json: { domain: 'www.example.com' } },
      { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } },
    );
    expect(status).toBe(405);
    expect(JSON.parse(text).error.json).toMatchObject({
      code: -32005,
      data: { code: 'METHOD_NOT_SUPPORTED' },
    });
  });

  it.each(['', '{', '{"json":{}}', '{"json":{"domain":7}}', '{"json":null}'])(
    'refuses the input %j',
    async (input) => {
      const [status, text] = await ask('deployments.getConfigByDomain', input);
      expect(status).toBe(400);
      expect(JSON.parse(text).error.json.data).toMatchObject({ code: 'BAD_REQUEST', httpStatus: 400 });
      expect(text).not.toMatch(/stack|\/control-api\//);
    },
  );

  it('serves the other procedures to a tRPC client with a token, and nobody else', async () => {
    const client = (token: string): ReturnType<typeof createTRPCUntypedClient> =>
      createTRPCUntypedClient({
        links: [
          httpLink({
            url: `${api.url}/trpc`,
            transformer: superjson,
            headers: { authorization: `Bearer ${token}` },
          }),
        ],
      });
    const mine = client(TEST_TOKEN);
    expect(await mine.query('projects.get', { project: 'site' })).toMatchObject({ id: projectId });
    expect(await mine.mutation('deployments.promote', { project: 'site', id: deploymentId })).toMatchObject({
      outcome: 'live',
    });
    const stranger = client('a-token-that-nobody-ever-made');
    await expect(stranger.query('projects.get', { project: 'site' })).rejects.toThrow(/not known/);
    await expect(stranger.mutation('domains.add', { project: 'site', host: 'x.com' })).rejects.toThrow(
      /not known/,
    );
  });

  /** Sends chunks for as long as they are taken, up to 64 MiB; answers the reply and how many bytes went out. */
  const flood = async (token: string): Promise<{ sent: number; status: number; text: string }> => {
    const chunk = Buffer.alloc(1024 * 1024, ' ');
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += chunk.length;
        if (sent <= 64 * chunk.length) controller.enqueue(chunk);
        else controller.close();
      },
    });
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const init: RequestInit = { method: 'POST', headers, body, duplex: 'half' };
    const response = await fetch(`${api.url}/trpc/projects.create`, init);
    return { sent, status: response.status, text: await response.text() };
  };

  it('reads no body of somebody without a token, and no endless one of anybody', async () => {
    const stranger = await flood('a-token-that-nobody-ever-made');
    expect(stranger.status).toBe(401);
    // What lies in buffers on the way, but nothing like all of it.
    expect(stranger.sent).toBeLessThan(32 * 1024 * 1024);
    const known = await flood(TEST_TOKEN);
    expect(known.status).toBe(413);
    expect(JSON.parse(known.text).error.json).toMatchObject({
      message: 'A request may have at most 33554432 bytes.',
      data: { code: 'PAYLOAD_TOO_LARGE', httpStatus: 413 },
    });
  });
});
