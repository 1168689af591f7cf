import type { Command } from 'commander';
import { type Option, options as optionTable } from '../../config/options.js';
import { environment } from '../../config/environment.js';
import { readConfig } from '../../config/read-config.js';
import { createOutput } from '../output.js';

export function register(program: Command): void {
  program
    .command('config')
    .description('Show every option, its value and where it comes from; check them. Secrets are not printed.')
    .option('--json', 'print one JSON line')
    .action((options: { readonly json?: boolean }) => {
      const output = createOutput({ json: options.json === true });
      const shown = Object.values<Option>(optionTable).map((option) => {
        const given = environment[option.env];
        const isSet = given !== undefined && given !== '';
        const value = option.secret === true ? (isSet ? '[set]' : null) : isSet ? given : option.default;
        return { env: option.env, value, source: isSet ? 'environment' : 'default', says: option.says };
      });
      for (const { env, value, source, says } of shown) {
        output.print(`${env}=${value ?? ''}  (${source})\n    ${says}`);
      }
      // Last, so that the table is there to compare with when something is refused.
      const config = readConfig(environment);
      output.print(`\ndatabase: ${config.database.where}`);
      output.printJson({ options: shown, database: config.database.where });
    });
}
