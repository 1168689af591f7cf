import type { Command } from 'commander';
import { environment } from '../../config/environment.js';
import { readConfig } from '../../config/read-config.js';
import { tellDryRun } from '../dry-run-words.js';
import { createOutput } from '../output.js';

export function register(program: Command): void {
  program
    .command('plan')
    .description('Tell what a run would do now: how much would go, how long it would take. Deletes nothing.')
    .option('--json', 'print one JSON line, in the shape of PUT …?dry_run=true')
    .action((options: { readonly json?: boolean }) =>
      tellDryRun(readConfig(environment), createOutput({ json: options.json === true })),
    );
}
