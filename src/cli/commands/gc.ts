import type { Command } from 'commander';
import { type ForegroundEnd, runInForeground } from '../../app/foreground-run.js';
import { seeStopFile } from '../../app/stop-file.js';
import { environment } from '../../config/environment.js';
import { readConfig } from '../../config/read-config.js';
import { exitCodes } from '../../core/errors.js';
import { silentLog } from '../../kit/log.js';
import { runShape } from '../../wire/run-reply.js';
import { createOutput, formatCount, type Output, reasonWords } from '../output.js';
import { tellDryRun } from '../dry-run-words.js';
import { createProgress } from '../progress-bar.js';
import { duration, wholeNumber } from '../whole-number.js';

type Options = {
  readonly maxTime?: number;
  readonly maxRows?: number;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly ignoreWindows?: boolean;
  readonly json?: boolean;
};

export function register(program: Command): void {
  program
    .command('gc')
    .description('Collect once in the foreground, for cron and jobs; joins the run that is on.')
    .option(
      '--max-time <duration>',
      'stop after this time, paused and resumable (exit 75): 90s, 45m, 2h',
      duration,
    )
    .option(
      '--max-rows <n>',
      'stop once so many messages are gone, paused and resumable (exit 75)',
      wholeNumber(1),
    )
    .option('--dry-run', 'only tell what a run would do, as "message-gc plan" does; nothing is deleted')
    .option('--yes', 'let the first run of a mapping through though it would delete nearly everything')
    .option('--ignore-windows', 'work outside of the windows too; without it, gc waits for the next one')
    .option('--json', 'print the run as one JSON line')
    .action(async (options: Options) => {
      const config = readConfig(environment);
      const output = createOutput({ json: options.json === true });
      if (options.dryRun === true) return tellDryRun(config, output);
      const stopFile = await seeStopFile(config.stopFile);
      if (stopFile !== null)
        output.note(`The stop file is there (${stopFile}): nothing is deleted until it is removed.`);
      const progress = createProgress();
      const stopping = new AbortController();
      const stop = (): void => stopping.abort();
      process.once('SIGINT', stop);
      process.once('SIGTERM', stop);
      try {
        const end = await runInForeground(config, silentLog, {
          maxSeconds: options.maxTime ?? null,
          maxRows: options.maxRows ?? null,
          confirmed: options.yes === true,
          ignoreWindows: options.ignoreWindows === true,
          signal: stopping.signal,
          onProgress: (run, live) =>
            progress.update({
              share: run.share,
              deleted: run.messagesDeleted,
              rowsPerSecond: live?.rowsPerSecond ?? 0,
              etaSeconds: live?.etaSeconds ?? null,
              reason: live === null ? 'working' : reasonWords(live.reason),
            }),
        });
        progress.finish();
        tell(output, end);
        process.exitCode = exitCodes[end.reason];
      } finally {
        progress.finish();
        process.off('SIGINT', stop);
        process.off('SIGTERM', stop);
      }
    });
}

function tell(output: Output, { reason, run, joined, overruled, callbacks }: ForegroundEnd): void {
  output.printJson({
    outcome: reason,
    joined,
    run: runShape(run, null),
    overruled: overruled === null ? null : runShape(overruled, null),
    callbacks,
  });
  if (overruled !== null) {
    const why = overruled.errors.map(({ details }) => details).join(' ');
    output.print(
      `the run ${overruled.id}, which was unfinished, was ended as ${overruled.state} after ${formatCount(overruled.messagesDeleted)} messages: ${why}`,
    );
  }
  output.print(
    `${reason}: ${formatCount(run.messagesDeleted)} messages deleted${joined ? ' (joined a run that was on)' : ''}`,
  );
  for (const [table, count] of Object.entries(run.dependentsDeleted)) {
    output.print(`  and ${formatCount(count)} rows of ${table}`);
  }
  for (const error of run.errors) output.print(`  ${error.details}`);
  if (reason === 'paused') output.print('  the next gc, or an instance, goes on from here');
  if (callbacks.waiting > 0) output.print(`  ${callbacks.waiting} callback(s) wait in the outbox`);
}
