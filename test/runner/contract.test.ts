import { afterAll, beforeAll, expect, test } from 'vitest';
import { closeRunners, deploy, startTestRunner, type TestRunner } from './start-test-runner.ts';

let runner: TestRunner;
beforeAll(async () => {
  runner = await startTestRunner();
});
afterAll(closeRunners);

test.each([
  ['default.fetch', 'export default { fetch: () => new Response("it ran") };'],
  ['a named fetch', 'export function fetch() { return new Response("it ran"); }'],
  ['a default function', 'export default async () => new Response("it ran");'],
  [
    'default.fetch as a method that uses its object',
    'export default { word: "it ran", fetch() { return new Response(this.word); } };',
  ],
])('a handler of the form %s runs', async (form, code) => {
  const { headers } = await deploy(runner, code, { deploymentId: `form-${form.length}` });
  const reply = await fetch(runner.url, { headers });
  expect([reply.status, await reply.text()]).toEqual([200, 'it ran']);
});
