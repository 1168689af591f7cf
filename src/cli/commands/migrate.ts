import type { Command } from 'commander';
import { environment } from '../../config/environment.js';
import { readConfig } from '../../config/read-config.js';
import { nameOf } from '../../core/mapping.js';
import { createOutput } from '../output.js';
import { withStore } from '../with-store.js';

export function register(program: Command): void {
  program
    .command('migrate')
    .description(
      "Create or update message-gc's own tables, and the messages tables where there are none and no mapping names another.",
    )
    .option('--json', 'print one JSON line')
    .action(async (options: { readonly json?: boolean }) => {
      const config = readConfig(environment);
      const output = createOutput({ json: options.json === true });
      await withStore(config, { migrate: true }, async (_store, facts) => {
        output.printJson({
          migrated: true,
          database: config.database.where,
          engine: facts.engine,
          version: facts.version,
        });
        if (config.mapping !== null)
          output.print(`${config.mappingFile} maps ${nameOf(config.mapping.table)}: it was left as it is`);
        output.print(`the tables in ${config.database.where} are up to date`);
      });
    });
}
