import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startProcess } from '../support/process.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const passing = { status: 'passed' };
const failing = { status: 'failed' };

describe('the last line of .ci/run', () => {
  let directory: TempDir;
  beforeEach(async () => {
    directory = await makeTempDir('ci');
  });
  afterEach(() => directory.remove());

  const summarize = async (results: unknown, ...failedSteps: string[]): Promise<[number | null, string]> => {
    const { code, lines } = await report(results, failedSteps);
    return [code, lines.at(-1) ?? ''];
  };

  const report = async (
    results: unknown,
    failedSteps: string[] = [],
  ): Promise<{ code: number | null; lines: string[] }> => {
    const text = typeof results === 'string' ? results : JSON.stringify(results);
    await writeFile(join(directory.path, 'results.json'), text);
    const program = startProcess(process.execPath, {
      args: ['.ci/summary.mjs', directory.path, ...failedSteps],
    });
    const { code } = await program.exited;
    return { code, lines: program.stdout().trimEnd().split('\n') };
  };

  test.each([
    [
      'everything passed',
      {
        success: true,
        numPassedTests: 3,
        numFailedTests: 0,
        testResults: [{ ...passing, assertionResults: [passing] }],
      },
      [0, '3 passed, 0 failed'],
    ],
    [
      'a test failed',
      {
        success: false,
        numPassedTests: 2,
        numFailedTests: 1,
        testResults: [{ ...failing, assertionResults: [failing] }],
      },
      [1, '2 passed, 1 failed'],
    ],
    [
      'a file could not be loaded',
      {
        success: false,
        numPassedTests: 2,
        numFailedTests: 0,
        testResults: [{ ...failing, assertionResults: [] }],
      },
      [1, '2 passed, 1 failed'],
    ],
    [
      'an error happened outside of every test',
      {
        success: false,
        numPassedTests: 2,
        numFailedTests: 0,
        testResults: [{ ...passing, assertionResults: [passing] }],
      },
      [1, '2 passed, 1 failed'],
    ],
    [
      'no test ran',
      { success: true, numPassedTests: 0, numFailedTests: 0, testResults: [] },
      [1, '0 passed, 0 failed'],
    ],
    ['there are no results', 'not json', [1, '0 passed, 1 failed']],
  ])('when %s', async (_, results, expected) => {
    expect(await summarize(results)).toEqual(expected);
  });

  test('when there are results of two runs, they are added up', async () => {
    const infra = { success: false, numPassedTests: 4, numFailedTests: 2, testResults: [] };
    await writeFile(join(directory.path, 'infra.json'), JSON.stringify(infra));
    const results = { success: true, numPassedTests: 3, numFailedTests: 0, testResults: [] };
    expect(await summarize(results)).toEqual([1, '7 passed, 2 failed']);
  });

  test('names the tests that passed in their second run only', async () => {
    const assertionResults = [
      { ...passing, fullName: 'a test', failureMessages: [] },
      { ...passing, fullName: 'a flaky test', failureMessages: ['Error: too late\n    at line 1'] },
    ];
    const testResults = [{ ...passing, assertionResults }];
    const { code, lines } = await report({
      success: true,
      numPassedTests: 2,
      numFailedTests: 0,
      testResults,
    });
    expect(lines).toEqual([
      'passed in its second run only: a flaky test (Error: too late)',
      '2 passed, 0 failed',
    ]);
    expect(code).toBe(0);
  });

  test('when another step failed, the run failed', async () => {
    const results = { success: true, numPassedTests: 3, numFailedTests: 0, testResults: [] };
    expect(await summarize(results, 'npm run check')).toEqual([1, '3 passed, 0 failed']);
  });
});
