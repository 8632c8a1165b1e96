// Runs the suite's own client against the URL given and prints every test's kind, verdict and message as JSON.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [base, only = ''] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const suite = (path) => import(pathToFileURL(require.resolve(`http-cache-tests/${path}`)).href);

const { runTests, getResults } = await suite('client/runner.mjs');
const { default: groups } = await suite('tests/index.mjs');
const { default: fetch } = await import('node-fetch');
const { ownTests } = await import('./own-tests.mjs');

const wanted = [...groups, ...ownTests].map((group) => ({
  ...group,
  tests: group.tests.filter((test) => test.browser_only !== true && (only === '' || test.id === only)),
}));
if (only !== '') for (const group of wanted) for (const test of group.tests) test.dump = true;
await runTests(wanted, fetch, false, base);
const results = getResults();
const tests = wanted.flatMap(({ id: group, tests: list }) =>
  list.map(({ id, kind = 'required', name, depends_on: dependsOn = [] }) => ({
    id,
    group,
    kind,
    name,
    dependsOn,
    passed: results[id] === true,
    message: results[id] === true ? '' : (results[id] ?? []).join(': '),
  })),
);
process.stdout.write(`\n${JSON.stringify(tests)}\n`);
