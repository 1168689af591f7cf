import type { Command } from 'commander';
import { formatCount } from '../output.js';
import { byOption, onActiveRun, type SteerOptions, steering } from '../steering.js';

export function register(program: Command): void {
  program
    .command('pause')
    .description('Pause the run that is on: no batch begins until it is resumed, at no node.')
    .option(...byOption)
    .option('--json', 'print the run as one JSON line')
    .action((options: SteerOptions) =>
      onActiveRun(
        options,
        { method: 'PATCH', body: { paused: true } },
        steering({ paused: true }),
        async (run, output) => {
          output.print(
            `paused by ${run.steering.pausedBy ?? 'somebody'}: run ${run.id}, ${formatCount(run.messagesDeleted)} messages deleted so far`,
          );
          output.print('  it stays paused through restarts, until "message-gc resume"');
        },
      ),
    );
}
