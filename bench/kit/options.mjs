// The command line that all benchmarks share. `--smoke` makes everything tiny, to see that it runs: its figures mean
// nothing, so they are never written beside the real ones.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/**
 * @typedef {object} Options
 * @property {number} repeats      how often each variant is measured
 * @property {number | null} rows  null: the benchmark's own size
 * @property {boolean} smoke
 * @property {string} out          folder for the JSON files
 * @property {string | null} server  URL of a PostgreSQL database whose user may create databases; null: a private one
 * @property {boolean} noisy       said by the caller: something else works on this machine
 * @property {number} patience     seconds to wait for a quiet machine before each measured piece
 * @property {number | null} seconds  length of a phase, where a benchmark has phases; null: its own
 * @property {readonly string[]} only  the variants to measure, where a benchmark allows a choice; empty: all
 * @property {boolean} add         to what the results folder has of the benchmark from earlier today
 */

export const resultsFolder = fileURLToPath(new URL('../results', import.meta.url));
const smokeRows = 5_000;

export const optionsHelp = `  --repeats N   how often each variant is measured (default 5)
  --rows N      rows of the table (default: as each benchmark's target says)
  --smoke       tiny sizes and one repeat: does it run? Figures go to the temporary folder
  --out DIR     where the JSON files go (default bench/results)
  --server URL  a running PostgreSQL instead of a private one; scratch databases are made there and dropped
  --noisy       mark the result: something else works on this machine
  --seconds N   length of a phase of gentleness or redo-log (default 60)
  --only A,B    only these variants of gentleness or mariadb-flat, by their names
  --add         gentleness: put what is measured together with its results of today
  --patience S  wait up to S seconds for a quiet machine before each measured piece (default 0)
Without --server a private cluster with default settings is made in the temporary folder and removed at the end.`;

/**
 * @param {readonly string[]} args
 * @returns {Options & { names: string[], help: boolean }}
 */
export function readOptions(args) {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      repeats: { type: 'string' },
      rows: { type: 'string' },
      smoke: { type: 'boolean', default: false },
      out: { type: 'string' },
      server: { type: 'string' },
      noisy: { type: 'boolean', default: false },
      patience: { type: 'string' },
      seconds: { type: 'string' },
      only: { type: 'string' },
      add: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { smoke, noisy } = values;
  return {
    repeats: wholeNumber('--repeats', values.repeats) ?? (smoke ? 1 : 5),
    rows: wholeNumber('--rows', values.rows) ?? (smoke ? smokeRows : null),
    smoke,
    out: values.out ?? (smoke ? join(tmpdir(), 'message-gc-bench-smoke') : resultsFolder),
    server: values.server ?? null,
    noisy,
    patience: wholeNumber('--patience', values.patience) ?? 0,
    seconds: wholeNumber('--seconds', values.seconds) ?? null,
    only: values.only?.split(',').map((name) => name.trim()) ?? [],
    add: values.add,
    names: positionals,
    help: values.help,
  };
}

/** @param {string} name @param {string | undefined} text */
function wholeNumber(name, text) {
  if (text === undefined) return null;
  const value = Number(text.replaceAll('_', ''));
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`${name} is "${text}", expected a whole number of at least 1`);
  return value;
}
