// The way functions ran before: one process for all, metadata and code fetched from the bucket one after the other,
// remembered by the process, and a fresh isolate for every call. Rebuilt here to have something to compare with.
const metadata = new Map();
const codes = new Map();

export default {
  async fetch(request, env) {
    const key = request.headers.get('x-origan-function-path');
    const deploymentId = request.headers.get('x-origan-deployment-id');
    const variables = await remember(metadata, deploymentId, async () => {
      const reply = await env.BUCKET.fetch(`http://bucket/deployments/${deploymentId}/metadata.json`);
      return (await reply.json()).environmentVariables;
    });
    const code = await remember(codes, key, async () =>
      (await env.BUCKET.fetch(`http://bucket/${key}`)).text(),
    );
    const worker = env.LOADER.get(crypto.randomUUID(), async () => ({
      compatibilityDate: '2026-01-01',
      compatibilityFlags: ['nodejs_compat', 'nodejs_compat_populate_process_env'],
      mainModule: 'function.js',
      modules: { 'function.js': code },
      env: variables,
    }));
    return worker.getEntrypoint().fetch(request);
  },
};

async function remember(map, key, load) {
  if (!map.has(key)) map.set(key, await load());
  return map.get(key);
}
