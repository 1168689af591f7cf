import { type Command, Option } from 'commander';
import { startInstance } from '../../app/instance.js';
import { untilStopped } from '../../app/lifetime.js';
import { environment } from '../../config/environment.js';
import { type Role, roles } from '../../config/options.js';
import { readConfig } from '../../config/read-config.js';
import { createLog } from '../../kit/log.js';

export function register(program: Command): void {
  program
    .command('serve')
    .description('Serve the HTTP API and collect. Log lines are JSON on standard output.')
    .addOption(
      new Option(
        '--role <role>',
        'single: both in one process; webapp: the HTTP API of several nodes; coreapp: a node that collects (default: single)',
      ).choices(roles),
    )
    .option('--json', 'no effect: the log is JSON always')
    .action(async (options: { readonly role?: Role }) => {
      const role = options.role ?? null;
      const config = readConfig(environment, { role });
      const log = createLog(config.logLevel);
      await untilStopped(log, startInstance(config, log, role ?? 'single'));
    });
}
