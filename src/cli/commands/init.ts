import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { environment } from '../../config/environment.js';
import { options as optionTable } from '../../config/options.js';
import { Refusal, wordsOf } from '../../core/errors.js';
import { createOutput } from '../output.js';
import { presetNamed, presets } from '../preset-files.js';

type Options = {
  readonly preset?: string;
  readonly list?: boolean;
  readonly output?: string;
  readonly force?: boolean;
  readonly json?: boolean;
};

export function register(program: Command): void {
  program
    .command('init')
    .description('Write a commented store mapping (message-gc.yaml) to be filled in; connects to nothing.')
    .option('--preset <name>', 'for the tables of a known application; without it a template for any table')
    .option('--list', 'list the presets, and write nothing')
    .option('--output <file>', 'where to write; without it MESSAGE_GC_CONFIG or message-gc.yaml')
    .option('--force', 'write over a file that is there')
    .option('--json', 'print one JSON line')
    .action((options: Options) => {
      const output = createOutput({ json: options.json === true });
      if (options.list === true) {
        const known = presets().map(({ name, says }) => ({ name, says }));
        const width = Math.max(...known.map(({ name }) => name.length));
        for (const { name, says } of known) output.print(`${name.padEnd(width)}  ${says}`);
        output.printJson({ presets: known });
        return;
      }
      const preset = presetNamed(options.preset ?? null);
      const file = options.output ?? (environment['MESSAGE_GC_CONFIG'] || optionTable.config.default);
      write(file, preset.text, options.force === true);
      output.printJson({ written: file, preset: options.preset ?? null });
      output.print(`wrote ${file}`);
      output.print('next: fill in retention, and what its comments ask for; then message-gc config, which');
      output.print(
        'checks the file, and message-gc doctor, which checks the database. Nothing is deleted by either',
      );
    });
}

function write(file: string, text: string, mayReplace: boolean): void {
  try {
    writeFileSync(file, text, { flag: mayReplace ? 'w' : 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new Refusal(
        'refused',
        `${file} is there already, and nothing was written. Name another file with --output, or write over it with --force`,
        { cause: error },
      );
    }
    throw new Refusal('configuration', `Could not write ${file}: ${wordsOf(error)}`, { cause: error });
  }
}
