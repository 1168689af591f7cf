import type { Command } from 'commander';
import { readOutlook } from '../../app/outlook.js';
import { environment } from '../../config/environment.js';
import { readConfig } from '../../config/read-config.js';
import { type Ahead, aheadOf, keepUpOf, outlookWarnings } from '../../core/outlook.js';
import type { RunView } from '../../core/run-view.js';
import { keepUpShape } from '../../wire/outlook-reply.js';
import { runShape } from '../../wire/run-reply.js';
import { forecastWords } from '../forecast-words.js';
import { createOutput, formatCount, formatShare } from '../output.js';
import { withStore } from '../with-store.js';
import { wholeNumber } from '../whole-number.js';

export function register(program: Command): void {
  program
    .command('status')
    .description('Show current and past runs, and the callbacks that wait.')
    .option('--limit <n>', 'how many runs', wholeNumber(1), 5)
    .option('--json', 'print one JSON line')
    .action(async (options: { readonly limit: number; readonly json?: boolean }) => {
      const config = readConfig(environment);
      const output = createOutput({ json: options.json === true });
      await withStore(config, { migrate: false }, async (store, facts) => {
        const runs = await store.ledger.runs(options.limit);
        const waiting = await store.outbox.waiting();
        const outlook = await readOutlook(store);
        const ahead = aheadOf(outlook);
        output.printJson({
          database: config.database.where,
          engine: facts.engine,
          version: facts.version,
          callbacks_waiting: waiting,
          keep_up: keepUpShape(keepUpOf(outlook)),
          runs: runs.map((run) => runShape(run, null, undefined, ahead)),
        });
        output.print(`${config.database.where} (${facts.engine} ${facts.version})`);
        if (runs.length === 0) output.print('no run yet');
        for (const run of runs) output.print(line(run, ahead));
        if (waiting > 0) output.print(`${waiting} callback(s) wait in the outbox`);
        for (const warning of outlookWarnings(outlook)) output.print(warning);
      });
    });
}

/** One line always carries state and reason. */
function line(run: RunView, ahead: Ahead): string {
  const share = run.share === null || run.endedAt !== null ? '' : `, ${formatShare(run.share)} walked`;
  const parked = run.parked === 0 ? '' : `, ${formatCount(run.parked)} locked by others`;
  const { progress } = runShape(run, null, undefined, ahead);
  const forecast = forecastWords(progress.forecast)
    .map((words) => `, ${words}`)
    .join('');
  const errors = run.errors.map((error) => `: ${error.details}`).join('');
  return `${run.id}  ${run.state}  ${formatCount(run.messagesDeleted)} deleted${share}${parked}${forecast}  by ${run.requestedBy} at ${run.startedAt}${errors}`;
}
