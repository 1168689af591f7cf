// Runs some tests of a copy and tells which went red, by name. A file that could not be loaded, or a run that did not
// end, is no red test: it would count as killed whatever the mutant is.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const longestMs = 300_000;

/**
 * @param {string} folder the copy
 * @param {string} file
 * @param {string} pattern names of tests, as a regular expression
 * @param {{ readonly bail: boolean }} options `bail`: the first red test is enough
 * @returns {{ passed: string[], failed: { name: string, words: string }[], trouble: string | null }}
 */
export function runTests(folder, file, pattern, { bail }) {
  const report = join(folder, 'mutants-report.json');
  rmSync(report, { force: true });
  const done = spawnSync(
    process.execPath,
    [
      join(folder, 'node_modules/vitest/vitest.mjs'),
      'run',
      file,
      '--testNamePattern',
      pattern,
      '--reporter=json',
      `--outputFile=${report}`,
      ...(bail ? ['--bail=1'] : []),
    ],
    { cwd: folder, encoding: 'utf8', timeout: longestMs, killSignal: 'SIGKILL' },
  );
  const output = `${done.stdout ?? ''}\n${done.stderr ?? ''}`.trim().slice(-3_000);
  if (done.error !== undefined) {
    return { passed: [], failed: [], trouble: `the tests did not end: ${done.error.message}\n${output}` };
  }
  if (!existsSync(report)) {
    return {
      passed: [],
      failed: [],
      trouble: `the tests could not be run (exit ${done.status}):\n${output}`,
    };
  }
  const results = JSON.parse(readFileSync(report, 'utf8')).testResults;
  const tests = results.flatMap((/** @type {{ assertionResults: object[] }} */ one) => one.assertionResults);
  const named = (/** @type {string} */ status) =>
    tests.filter((/** @type {{ status: string }} */ one) => one.status === status);
  const failed = named('failed').map(
    (/** @type {{ fullName: string, failureMessages: string[] }} */ one) => ({
      name: one.fullName.trim(),
      words: (one.failureMessages[0] ?? '').split('\n')[0] ?? '',
    }),
  );
  const passed = named('passed').map((/** @type {{ fullName: string }} */ one) => one.fullName.trim());
  const broken = results.find(
    (/** @type {{ status: string, message: string }} */ one) => one.status === 'failed' && one.message !== '',
  );
  if (failed.length === 0 && broken !== undefined)
    return { passed, failed, trouble: `${file} could not be run: ${broken.message}` };
  return { passed, failed, trouble: null };
}
