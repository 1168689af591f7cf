import type { Command } from 'commander';
import { formatCount } from '../output.js';
import { byOption, noteIfNobodyWorks, onActiveRun, type SteerOptions, steering } from '../steering.js';

export function register(program: Command): void {
  program
    .command('resume')
    .description('Let a paused run go on.')
    .option(...byOption)
    .option('--json', 'print the run as one JSON line')
    .action((options: SteerOptions) =>
      onActiveRun(
        options,
        { method: 'PATCH', body: { paused: false } },
        steering({ paused: false }),
        async (run, output, store) => {
          output.print(
            `not paused: run ${run.id}, ${formatCount(run.messagesDeleted)} messages deleted so far`,
          );
          await noteIfNobodyWorks(store, output);
        },
      ),
    );
}
