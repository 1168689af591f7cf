import type { Command } from 'commander';
import { readOutlook } from '../../app/outlook.js';
import { seeStopFile } from '../../app/stop-file.js';
import { environment } from '../../config/environment.js';
import { type Config, readConfig } from '../../config/read-config.js';
import { aheadOf, keepUpOf, outlookWarnings } from '../../core/outlook.js';
import type { EngineFacts, Store } from '../../core/ports.js';
import { keepUpShape } from '../../wire/outlook-reply.js';
import { type RunShape, runShape } from '../../wire/run-reply.js';
import { orAskOverHttp } from '../embedded-elsewhere.js';
import { createOutput, reasonWords } from '../output.js';
import { progressWords } from '../progress-bar.js';
import { runLines } from '../run-words.js';
import { type Look, watchStatus } from '../status-watch.js';
import { wholeNumber } from '../whole-number.js';
import { withStore } from '../with-store.js';

type Options = { readonly limit: number; readonly watch?: boolean; readonly json?: boolean };

export function register(program: Command): void {
  program
    .command('status')
    .description(
      'Show current and past runs with speed, reason, nodes and signals, and the callbacks that wait.',
    )
    .option('--limit <n>', 'how many runs', wholeNumber(1), 5)
    .option('--watch', 'look again every second until no run is on')
    .option('--json', 'print one JSON line, with --watch one for each look')
    .action(async (options: Options) => {
      const config = readConfig(environment);
      const output = createOutput({ json: options.json === true });
      const stopping = new AbortController();
      const stop = (): void => stopping.abort();
      process.once('SIGINT', stop);
      process.once('SIGTERM', stop);
      try {
        await orAskOverHttp(config, { method: 'GET' }, () =>
          withStore(config, { migrate: false }, async (store, facts) => {
            const look = (): Promise<Look> => lookAt(store, facts, config, options.limit);
            // The embedded database takes one process: whoever watched it would keep the run from going on.
            if (options.watch === true && config.database.engine !== 'pglite') {
              const isTerminal = process.stdout.isTTY && !output.json;
              return watchStatus(look, output, config, { isTerminal, signal: stopping.signal });
            }
            if (options.watch === true)
              output.note(
                'Nobody else can have the embedded database meanwhile, so there is nothing to watch.',
              );
            const seen = await look();
            output.printJson(seen.json);
            for (const line of seen.lines) output.print(line);
          }),
        );
      } finally {
        process.off('SIGINT', stop);
        process.off('SIGTERM', stop);
      }
    });
}

async function lookAt(store: Store, facts: EngineFacts, config: Config, limit: number): Promise<Look> {
  const outlook = await readOutlook(store);
  const ahead = aheadOf(outlook);
  const runs = (await store.ledger.runs(limit)).map((run) => runShape(run, null, undefined, ahead));
  const waiting = await store.outbox.waiting();
  const stopFile = await seeStopFile(config.stopFile);
  const { where } = config.database;
  const newest = runs[0];
  const isOn = newest !== undefined && newest.ended_at === null;
  return {
    lines: [
      `${where} (${facts.engine} ${facts.version})`,
      ...(runs.length === 0 ? ['no run yet'] : runs.flatMap(runLines)),
      ...(waiting > 0 ? [`${waiting} callback(s) wait in the outbox`] : []),
      ...(stopFile === null
        ? []
        : [`the stop file is there, so no batch begins in a process that sees it: ${stopFile}`]),
      ...outlookWarnings(outlook),
    ],
    line: isOn ? lineOf(newest) : '',
    json: {
      database: where,
      engine: facts.engine,
      version: facts.version,
      callbacks_waiting: waiting,
      stop_file: stopFile,
      keep_up: keepUpShape(keepUpOf(outlook)),
      runs,
    },
    isOn,
  };
}

/** The same words as the progress of `gc` where it is no terminal. */
function lineOf({ state, messages_deleted: deleted, progress, reason }: RunShape): string {
  const words = progressWords({
    share: progress.share,
    deleted,
    rowsPerSecond: progress.rows_per_second ?? 0,
    etaSeconds: progress.eta_seconds,
    reason: reason === null ? 'nobody works on it now' : reasonWords(reason),
  });
  return `${state}  ${words}`;
}
