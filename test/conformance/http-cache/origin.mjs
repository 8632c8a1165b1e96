// The released suite's origin, and what its successor's adds: interim responses and a pause before the answer.
import { createServer } from 'node:http';
import { suite } from './suite.mjs';

const [port] = process.argv.slice(2);
const { default: config } = await suite('server/handle-config.mjs');
const { default: state } = await suite('server/handle-state.mjs');
const { default: test } = await suite('server/handle-test.mjs');
const { configs } = await suite('server/utils.mjs');

const handlers = new Map([
  ['config', config],
  ['state', state],
  ['test', testWithInterim],
]);

function testWithInterim(segments, request, response) {
  const plan = configs.get(segments[0])?.[Number(request.headers['req-num']) - 1];
  const answer = () => {
    for (const [status, fields] of plan?.interim ?? []) response.writeInformation(status, fields);
    test(segments, request, response);
  };
  if (plan?.pause_before === undefined) answer();
  else setTimeout(answer, plan.pause_before);
}

const server = createServer((request, response) => {
  const [, kind, ...segments] = new URL(request.url, 'http://origin').pathname.split('/');
  const handle = handlers.get(kind);
  if (handle === undefined) response.writeHead(404).end();
  else handle(segments, request, response);
});
server.listen(Number(port), '127.0.0.1', () => process.stdout.write('Listening on the loopback\n'));
