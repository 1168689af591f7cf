import type { Command } from 'commander';
import { environment } from '../../config/environment.js';
import { readConfig } from '../../config/read-config.js';
import { exitCodes, Refusal, StoreError } from '../../core/errors.js';
import type { Finding } from '../../core/ports.js';
import { silentLog } from '../../kit/log.js';
import { openStore } from '../../storage/open-store.js';
import { prepareOrRefuse } from '../../app/store-keeper.js';
import { stopFileFinding } from '../../app/stop-file.js';
import { policyOf } from '../../app/policy.js';
import { createOutput, type Output } from '../output.js';

const marks = { ok: 'ok      ', warning: 'warning ', error: 'error   ' } as const;

export function register(program: Command): void {
  program
    .command('doctor')
    .description('Check the database and the mapping before anything is deleted; changes nothing.')
    .option('--json', 'print the findings as one JSON line')
    .action(async (options: { readonly json?: boolean }) => {
      const config = readConfig(environment);
      const output = createOutput({ json: options.json === true });
      const store = openStore({ database: config.database, workers: 1, log: silentLog });
      try {
        // A missing ledger, a missing privilege or a table that is not ours is a finding here; an unreachable server is not.
        await prepareOrRefuse(store, config, false).catch((error: unknown) => {
          if (!(error instanceof Refusal)) throw error;
          const isDenied = error.cause instanceof StoreError && error.cause.kind === 'denied';
          if (error.reason !== 'refused' && !isDenied) throw error;
          // Another process has the embedded database: nothing can be examined.
          if (config.database.engine === 'pglite' && error.message.includes('.lock')) throw error;
        });
        const stopFile = await stopFileFinding(config.stopFile);
        const found = await store.doctor.findings(policyOf(config));
        const findings = stopFile === null ? found : [...found, stopFile];
        output.printJson({ database: config.database.where, findings });
        output.print(config.database.where);
        for (const finding of findings) tell(output, finding);
        if (findings.some((finding) => finding.level === 'error')) process.exitCode = exitCodes.failed;
      } finally {
        await store.close();
      }
    });
}

function tell(output: Output, { level, check, found, why, todo }: Finding): void {
  output.print(`${marks[level]}${check}: ${found}`);
  if (level === 'ok') return;
  output.print(`          ${why}`);
  if (todo !== null) output.print(`          → ${todo}`);
}
