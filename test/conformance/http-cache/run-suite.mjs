// Runs the suite's own client against the URLs given (several with commas: in turn) and prints every test's kind, verdict and
// message as JSON. A test's id as a second argument runs that one alone, and shows what is sent.
import { inTurn } from './client.mjs';
import { currentSuite } from './current.mjs';
import { suite } from './suite.mjs';

const AT_ONCE = 50;

const [urls, only = ''] = process.argv.slice(2);
const bases = urls.split(',');
const { runTests, getResults } = await suite('client/runner.mjs');

const groups = await currentSuite();
const wanted = groups.map((group) => ({
  ...group,
  tests: group.tests.filter(({ id }) => only === '' || id === only),
}));
if (only !== '') for (const { tests } of wanted) for (const test of tests) test.dump = true;
await runTests(wanted, inTurn(bases), false, bases[0], AT_ONCE);
const results = getResults();
const tests = wanted.flatMap(({ id: group, tests: list }) =>
  list.map(({ id, kind, name, isCurrent, source, depends_on: dependsOn = [] }) => ({
    id,
    group,
    kind,
    name,
    isCurrent,
    source,
    dependsOn,
    passed: results[id] === true,
    message: results[id] === true ? '' : (results[id] ?? []).join(': '),
  })),
);
process.stdout.write(`\n${JSON.stringify(tests)}\n`);
