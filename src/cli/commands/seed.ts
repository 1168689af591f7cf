import { type Command, InvalidArgumentError } from 'commander';
import { environment } from '../../config/environment.js';
import { readConfig } from '../../config/read-config.js';
import { Refusal } from '../../core/errors.js';
import { nameOf } from '../../core/mapping.js';
import { createOutput, formatCount } from '../output.js';
import { withStore } from '../with-store.js';
import { wholeNumber } from '../whole-number.js';

type Options = { readonly rows: number; readonly processed: number; readonly json?: boolean };

export function register(program: Command): void {
  program
    .command('seed')
    .description('Add messages of a believable mix, with receipts; only to tables that message-gc made.')
    .requiredOption('--rows <n>', 'how many messages', wholeNumber(1))
    .option('--processed <share>', 'share of them that is processed, 0 to 1', share, 0.7)
    .option('--json', 'print what was added as one JSON line')
    .action(async (options: Options) => {
      const config = readConfig(environment);
      const output = createOutput({ json: options.json === true });
      if (config.mapping !== null) {
        throw new Refusal(
          'refused',
          `${config.mappingFile} maps the table ${nameOf(config.mapping.table)}, which is somebody else's: seed fills tables that message-gc made, and nothing was inserted. For messages to try things out on, name a database of your own and another MESSAGE_GC_CONFIG, or run "message-gc demo"`,
        );
      }
      const added = await withStore(config, { migrate: true }, (store) =>
        store.ownTables.seed({
          rows: options.rows,
          processed: options.processed,
          onProgress: (rows) => output.note(`${formatCount(rows)} of ${formatCount(options.rows)} messages`),
        }),
      );
      output.printJson({ database: config.database.where, added });
      output.print(
        `added ${formatCount(added.messages)} messages (${formatCount(added.processed)} processed) with ${formatCount(added.receipts)} receipts to ${config.database.where}`,
      );
    });
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError('Expected a number from 0 to 1.');
  return value;
}
