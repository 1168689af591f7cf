// Writes the results into docs/benchmarks.md, between its markers, from the dated JSON files of bench/results: of
// each benchmark the newest that was taken on a quiet machine, or else the newest.
//   node bench/page.mjs           writes
//   node bench/page.mjs --check   only says whether the page is up to date (exit 1 if not)
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { resultsFolder } from './kit/options.mjs';

const page = fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url));
const begin = '<!-- results: written by bench/page.mjs -->';
const end = '<!-- end of results -->';
/** In the order in which bench/run.mjs runs them. */
const order = [
  'sweep',
  'receipts',
  'random-keys',
  'text-keys',
  'batches',
  'flat',
  'memory',
  'empty-run',
  'answers',
  'nodes',
  'take-over',
  'demo',
  'mariadb',
  'mariadb-large',
  'mariadb-flat',
  'mariadb-text-keys',
  'gentleness',
  'gentleness-mariadb',
  'redo-log',
];

/** @typedef {import('./kit/report.mjs').Result} Result */

/** @returns {Result[]} */
function chosenResults() {
  const files = existsSync(resultsFolder)
    ? readdirSync(resultsFolder).filter((name) => name.endsWith('.json'))
    : [];
  /** @type {Result[]} */
  const all = files.map((name) => JSON.parse(readFileSync(join(resultsFolder, name), 'utf8')));
  return order.flatMap((name) => {
    const own = all
      .filter((result) => result.name === name && !result.smoke)
      .toSorted((a, b) => Number(a.noisy) - Number(b.noisy) || (a.startedAt < b.startedAt ? 1 : -1));
    return own.slice(0, 1);
  });
}

/** @param {readonly Result[]} results */
function written(results) {
  if (results.length === 0) return 'Nothing has been measured yet.';
  const targets = results.flatMap(({ name, noisy, targets: own }) =>
    own.map((target) => [
      name,
      target.name,
      `${target.must === 'at least' ? '≥' : '≤'} ${target.target} ${target.unit}`,
      `${shown(target.value)} ${target.unit}${spreadOf(target.byRepeat)}`,
      `${target.met ? 'met' : '**missed**'}${noisy ? ' (noisy)' : ''}`,
    ]),
  );
  const lines = results.flatMap(({ name, lines: own }) =>
    own.map(([what = '', ...cells]) => [name, what, cells.join(', ')]),
  );
  const taken = results.map((result) => [
    result.name,
    result.startedAt.slice(0, 10),
    String(result.repeats),
    result.rows === null ? 'its own' : result.rows.toLocaleString('en-US'),
    `${Math.round(result.neighbours.median * 100)} %`,
    `${result.checks.made} of which wrong: ${result.checks.wrong.length}`,
    `${serverOf(result.versions)}, Node ${result.versions.node}, message-gc ${result.versions.messageGc}`,
    `${result.machine.cores} × ${result.machine.cpu}, ${Math.round(result.machine.memoryMiB / 1_024)} GiB, ${result.machine.system}`,
  ]);
  return [
    table(['benchmark', 'figure', 'target', 'measured (least to most of the repeats)', ''], targets),
    'The times behind the ratios, medians:',
    table(['benchmark', 'what', 'measured'], lines),
    ...results.flatMap(({ name, facts: { svg } }) =>
      typeof svg === 'string'
        ? [`![${name}: p99 of each second, a panel for each collector](../bench/results/${svg})`]
        : [],
    ),
    'When and where each was taken. "Others" is the share of all cores that other work kept busy just before the measured pieces; above 10 % a result is marked as noisy.',
    table(['benchmark', 'day', 'repeats', 'rows', 'others', 'counts checked', 'server', 'machine'], taken),
  ].join('\n\n');
}

/** @param {Result['versions']} versions */
function serverOf({ postgresql, mariadb }) {
  return mariadb === undefined ? `PostgreSQL ${postgresql.version}` : `MariaDB ${mariadb.version}`;
}

/** @param {readonly number[] | undefined} byRepeat */
function spreadOf(byRepeat) {
  if (byRepeat === undefined || byRepeat.length < 2) return '';
  return ` (${shown(Math.min(...byRepeat))} to ${shown(Math.max(...byRepeat))})`;
}

/** @param {number} value */
function shown(value) {
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toFixed(2)));
}

/** @param {readonly string[]} head @param {readonly (readonly string[])[]} rows */
function table(head, rows) {
  const cell = (/** @type {string} */ text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  return [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map(cell).join(' | ')} |`)
    .join('\n');
}

const isCheck = process.argv.includes('--check');
const before = readFileSync(page, 'utf8');
const from = before.indexOf(begin);
const to = before.indexOf(end);
if (from < 0 || to < from) throw new Error(`docs/benchmarks.md has no markers "${begin}" and "${end}"`);
const after = `${before.slice(0, from + begin.length)}\n${written(chosenResults())}\n${before.slice(to)}`;
if (after === before) {
  console.log('docs/benchmarks.md is up to date');
} else if (isCheck) {
  console.log('docs/benchmarks.md: stale, run: node bench/page.mjs');
  process.exitCode = 1;
} else {
  writeFileSync(page, after);
  console.log('docs/benchmarks.md: written');
}
