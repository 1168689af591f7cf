import type { Command } from 'commander';
import { cancelRun } from '../../coreapp/cancel-run.js';
import { renderCallback } from '../../wire/callback-body.js';
import { formatCount } from '../output.js';
import { byOption, onActiveRun, type SteerOptions } from '../steering.js';

export function register(program: Command): void {
  program
    .command('cancel')
    .description('End the run that is on as failed, with its true count; what is deleted stays deleted.')
    .option(...byOption)
    .option('--json', 'print the run as one JSON line')
    .action((options: SteerOptions) =>
      onActiveRun(
        options,
        { method: 'DELETE' },
        async ({ ledger }, by, { summaryCallback: summary }) => {
          const cancelled = await cancelRun(ledger, by, { renderCallback, summary });
          return cancelled === null ? null : ledger.run(cancelled.runId);
        },
        async (run, output, store) => {
          const words = run.errors.map(({ details }) => details).join(', ');
          output.print(
            `${words === '' ? `over before it could be cancelled (${run.state})` : words}: run ${run.id}, ${formatCount(run.messagesDeleted)} messages deleted`,
          );
          const waiting = await store.outbox.waiting();
          if (waiting > 0)
            output.print(`  ${waiting} callback(s) wait in the outbox; an instance sends them`);
        },
      ),
    );
}
