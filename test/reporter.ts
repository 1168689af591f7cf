import type { Reporter, TestModule, Vitest } from 'vitest/node';

/**
 * Ends the output with one line that people and scripts can read: `N passed, N failed`, and `, N skipped` if any.
 * A file that could not be loaded and an error outside of tests count as failed: nothing that makes the run red may
 * be missing from the line.
 */
export default class CountReporter implements Reporter {
  #close: (() => void) | null = null;

  onInit(vitest: Vitest): void {
    // Printed when everything else has been: the other reporters write their summary in onTestRunEnd as well.
    vitest.onClose(() => this.#close?.());
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0 };
    for (const module of modules) {
      if (module.errors().length > 0) count.failed += 1;
      for (const suite of module.children.allSuites()) {
        if (suite.errors().length > 0) count.failed += 1;
      }
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed' || state === 'failed' || state === 'skipped') count[state] += 1;
      }
    }
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
    const line = `${count.passed} passed, ${count.failed} failed${skipped}\n`;
    this.#close = () => {
      this.#close = null;
      process.stdout.write(line);
    };
  }
}
