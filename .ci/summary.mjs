import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

// Reads the results that vitest wrote and prints the line that ends a run; run by the machine's own Node.

/**
 * Tests that passed and failed. A file that failed without a test of its own (it could not be loaded, a hook
 * failed), and an error outside of every test, count as one failure each.
 *
 * @param {{ numPassedTests?: number, numFailedTests?: number, success?: boolean,
 *   testResults?: { status: string, assertionResults: { status: string }[] }[] }} results
 * @returns {{ passed: number, failed: number }}
 */
export function countTests(results) {
  const passed = results.numPassedTests ?? 0;
  const brokenFiles = (results.testResults ?? []).filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  const failed = (results.numFailedTests ?? 0) + brokenFiles.length;
  return { passed, failed: failed === 0 && results.success !== true ? 1 : failed };
}

/**
 * Tests that failed first and passed in their second run, each with what it said when it failed. They count as
 * passed: the machine is shared. They are listed so that somebody looks at them.
 *
 * @param {{ testResults?: { assertionResults: { status: string, fullName?: string, failureMessages?: string[] }[] }[] }} results
 * @returns {{ name: string, reason: string }[]}
 */
export function testsPassedLate(results) {
  return (results.testResults ?? [])
    .flatMap((file) => file.assertionResults)
    .filter((test) => test.status === 'passed' && (test.failureMessages ?? []).length > 0)
    .map((test) => ({ name: test.fullName ?? '', reason: test.failureMessages?.[0]?.split('\n')[0] ?? '' }));
}

function main([directory = '', ...failedSteps]) {
  const counts = { passed: 0, failed: 0 };
  const files = readdirSync(directory).filter((file) => file.endsWith('.json'));
  for (const file of files) {
    const { passed, failed } = countFile(join(directory, file));
    counts.passed += passed;
    counts.failed += failed;
  }
  if (files.length === 0) process.stdout.write('no test ran\n');
  if (failedSteps.length > 0) process.stdout.write(`failed steps: ${failedSteps.join(', ')}\n`);
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
  const isGood = counts.passed > 0 && counts.failed === 0 && failedSteps.length === 0;
  process.exitCode = isGood ? 0 : 1;
}

function countFile(path) {
  try {
    const results = JSON.parse(readFileSync(path, 'utf8'));
    for (const { name, reason } of testsPassedLate(results)) {
      process.stdout.write(`passed in its second run only: ${name} (${reason})\n`);
    }
    return countTests(results);
  } catch (error) {
    process.stdout.write(`${path}: ${error.message}\n`);
    return { passed: 0, failed: 1 };
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main(process.argv.slice(2));
