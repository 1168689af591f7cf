import type { Command } from 'commander';
import { startInstance } from '../../app/instance.js';
import { untilStopped } from '../../app/lifetime.js';
import { environment } from '../../config/environment.js';
import { readConfig } from '../../config/read-config.js';
import { createLog } from '../../kit/log.js';

export function register(program: Command): void {
  program
    .command('serve')
    .description('Serve the HTTP API and collect (a single instance). Log lines are JSON on standard output.')
    .option('--json', 'no effect: the log is JSON always')
    .action(async () => {
      const config = readConfig(environment);
      const log = createLog(config.logLevel);
      const instance = await startInstance(config, log);
      untilStopped(log, () => instance.stop(), instance.over);
    });
}
