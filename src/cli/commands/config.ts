import type { Command } from 'commander';
import { policyOf } from '../../app/policy.js';
import { environment } from '../../config/environment.js';
import { mappingSchema } from '../../config/mapping-schema.js';
import { type Option, options as optionTable } from '../../config/options.js';
import { readConfig } from '../../config/read-config.js';
import { policyLines } from '../mapping-words.js';
import { createOutput } from '../output.js';

type Options = { readonly schema?: boolean; readonly json?: boolean };

export function register(program: Command): void {
  program
    .command('config')
    .description(
      'Show every option, its value and where it comes from, and the mapping in force; check them. Secrets are not printed.',
    )
    .option('--schema', 'print the JSON Schema of message-gc.yaml, and nothing else')
    .option('--json', 'print one JSON line')
    .action((options: Options) => {
      const output = createOutput({ json: options.json === true });
      if (options.schema === true) {
        output.print(JSON.stringify(mappingSchema, null, 2));
        output.printJson(mappingSchema);
        return;
      }
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
      const policy = policyOf(config);
      output.print(`\ndatabase: ${config.database.where}`);
      output.print(`mapping: ${config.mappingFile ?? 'none, our own tables are collected'}`);
      for (const line of policyLines(policy)) output.print(`    ${line}`);
      output.printJson({
        options: shown,
        database: config.database.where,
        mapping_file: config.mappingFile,
        mapping: policy.mapping,
        retention_seconds: policy.retentionSeconds,
      });
    });
}
