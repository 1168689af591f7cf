// What a benchmark found: printed as a table, and kept as JSON with everything that is needed to judge it later
// (versions, machine, settings, every raw sample). A ratio that misses its target is said; a wrong count is a failure.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, platform, release, totalmem } from 'node:os';
import { basename, join } from 'node:path';
import { rounded } from './figures.mjs';
import { busyShare, neighboursOf, noisyFrom } from './neighbours.mjs';

const packageFile = new URL('../../package.json', import.meta.url);

/**
 * @typedef {object} Target
 * @property {string} name
 * @property {number} value
 * @property {'at least' | 'at most'} must
 * @property {number} target
 * @property {string} unit  '×', 'ms', 'MiB', '%', 's'
 * @property {boolean} met
 * @property {number[]} [byRepeat]  the same figure for each repeat alone, to see how far it spreads
 *
 * @typedef {object} Result
 * @property {string} name
 * @property {string} asks
 * @property {string} startedAt
 * @property {string} endedAt
 * @property {boolean} smoke
 * @property {boolean} noisy  something else worked on the machine: believe the ratios, hardly the times
 * @property {{ looks: number, median: number, most: number }} neighbours  share of all cores that others kept busy
 * @property {number} repeats
 * @property {number | null} rows  null: the benchmark's own size
 * @property {any} versions
 * @property {any} machine
 * @property {Target[]} targets
 * @property {string[][]} lines
 * @property {{ made: number, wrong: { what: string, found: number, expected: number }[] }} checks
 * @property {Record<string, unknown>} facts
 * @property {Record<string, unknown[]>} samples
 */

/** @typedef {import('./options.mjs').Options} Options */

export class Report {
  /** @type {string} */ name;
  /** @type {string} */ asks;
  /** @type {Options} */ #options;
  /** @type {string} */ #startedAt = new Date().toISOString();
  /** @type {Record<string, unknown>} */ #facts = {};
  /** @type {Record<string, unknown[]>} */ #samples = {};
  /** @type {Target[]} */ #targets = [];
  /** @type {string[][]} */ #lines = [];
  /** @type {{ what: string, found: number, expected: number }[]} */ #wrong = [];
  /** @type {number[]} */ #busyShares = [];
  #checks = 0;
  /** @type {number | null} */
  #repeats = null;

  /**
   * @param {string} name
   * @param {string} asks the question, in one sentence
   * @param {Options} options
   */
  constructor(name, asks, options) {
    this.name = name;
    this.asks = asks;
    this.#options = options;
  }

  /** Every count that was checked was right. */
  get isExact() {
    return this.#checks > 0 && this.#wrong.length === 0;
  }

  get missed() {
    return this.#targets.filter(({ met }) => !met);
  }

  /** Progress, for whoever waits. @param {string} words */
  say(words) {
    process.stderr.write(`${this.name}: ${words}\n`);
  }

  /** Call before each measured piece, while nothing of ours works. Waits for quiet as long as the caller allows. */
  async listenForNeighbours() {
    if (this.#options.smoke) return;
    const deadline = performance.now() + this.#options.patience * 1_000;
    let share = await busyShare();
    while (share > noisyFrom && performance.now() < deadline) share = await busyShare();
    this.#busyShares.push(share);
  }

  /** @param {string} name @param {unknown} value */
  fact(name, value) {
    this.#facts[name] = value;
  }

  /** @param {string} group @param {unknown} sample */
  sample(group, sample) {
    this.#samples[group] ??= [];
    this.#samples[group].push(sample);
  }

  /**
   * What an earlier call of today measured, to go on from there: its samples, facts and checks. Null when there is nothing.
   * @returns {Result | null}
   */
  takeUp() {
    const file = this.#file();
    if (!existsSync(file)) return null;
    /** @type {Result} */
    const earlier = JSON.parse(readFileSync(file, 'utf8'));
    this.#startedAt = earlier.startedAt;
    this.#facts = earlier.facts;
    this.#samples = earlier.samples;
    this.#checks = earlier.checks.made;
    this.#wrong = earlier.checks.wrong;
    this.#busyShares = Array.from({ length: earlier.neighbours.looks }, () => earlier.neighbours.median);
    return earlier;
  }

  /** @param {string} group @returns {readonly any[]} */
  samplesOf(group) {
    return this.#samples[group] ?? [];
  }

  /** How often variants were measured, where it does not follow from the options. @param {number} repeats */
  repeated(repeats) {
    this.#repeats = repeats;
  }

  /** Writes a file beside the results, of the same name but for its ending. @param {string} ending @param {string} text */
  beside(ending, text) {
    mkdirSync(this.#options.out, { recursive: true });
    const file = this.#file().replace(/json$/, ending);
    writeFileSync(file, text);
    this.fact(ending, basename(file));
  }

  #file() {
    return join(this.#options.out, `${this.#startedAt.slice(0, 10)}-${this.name}.json`);
  }

  /** One line of the printed table. @param {...string} cells */
  line(...cells) {
    this.#lines.push(cells);
  }

  /** @param {string} what @param {number} found @param {number} expected */
  check(what, found, expected) {
    this.#checks += 1;
    if (found === expected) return;
    this.#wrong.push({ what, found, expected });
    this.say(`WRONG COUNT, ${what}: found ${found}, expected ${expected}`);
  }

  /**
   * @param {string} name
   * @param {number | { value: number, byRepeat: number[] }} figure
   * @param {'at least' | 'at most'} must
   * @param {number} target
   * @param {string} [unit]
   */
  target(name, figure, must, target, unit = '×') {
    const { value, byRepeat } = typeof figure === 'number' ? { value: figure, byRepeat: undefined } : figure;
    const met = must === 'at least' ? value >= target : value <= target;
    this.#targets.push({
      name,
      value: rounded(value),
      must,
      target,
      unit,
      met,
      ...(byRepeat === undefined ? {} : { byRepeat: byRepeat.map((one) => rounded(one)) }),
    });
  }

  /** How many counts were checked. */
  get counts() {
    return { right: this.#checks - this.#wrong.length, wrong: this.#wrong.length };
  }

  /** Prints and writes. @param {{ versions: () => Promise<object> }} server */
  async finish(server) {
    const { file, noisy } = await this.keep(server);
    process.stdout.write(`${this.#printed(file, noisy)}\n`);
  }

  /** Writes what there is so far, so that an interrupt loses no more than one piece. @param {{ versions: () => Promise<object> }} server */
  async keep(server) {
    const neighbours = neighboursOf(this.#busyShares);
    /** @type {Result} */
    const result = {
      name: this.name,
      asks: this.asks,
      startedAt: this.#startedAt,
      endedAt: new Date().toISOString(),
      smoke: this.#options.smoke,
      noisy: this.#options.noisy || neighbours.median > noisyFrom,
      neighbours,
      repeats: this.#repeats ?? this.#options.repeats,
      rows: this.#options.rows,
      versions: await versions(server),
      machine: machine(),
      targets: this.#targets,
      lines: this.#lines,
      checks: { made: this.#checks, wrong: this.#wrong },
      facts: this.#facts,
      samples: this.#samples,
    };
    mkdirSync(this.#options.out, { recursive: true });
    const file = this.#file();
    writeFileSync(file, `${JSON.stringify(result, shortNumbers, 1)}\n`);
    return { file, noisy: result.noisy };
  }

  /** @param {string} file @param {boolean} noisy */
  #printed(file, noisy) {
    const shown = this.#targets.map(({ name, value, must, target, unit, met }) => [
      name,
      `${value} ${unit}`,
      `${must} ${target} ${unit}`,
      met ? 'met' : 'MISSED',
    ]);
    const counts = this.isExact
      ? `all ${this.#checks} counts agree`
      : `${this.#wrong.length} of ${this.#checks} COUNTS ARE WRONG: ${JSON.stringify(this.#wrong)}`;
    const smoke = this.#options.smoke
      ? ' (smoke: these figures mean nothing)'
      : noisy
        ? ' (noisy machine)'
        : '';
    return [
      `\n${this.name}: ${this.asks}${smoke}`,
      ...columns(this.#lines),
      ...columns(shown),
      counts,
      file,
    ].join('\n');
  }
}

/** Times to the microsecond are noise that triples the file. @param {string} _key @param {unknown} value */
function shortNumbers(_key, value) {
  return typeof value === 'number' ? rounded(value) : value;
}

/** @param {readonly (readonly string[])[]} rows */
function columns(rows) {
  /** @type {number[]} */
  const widths = [];
  for (const row of rows) {
    for (const [place, cell] of row.entries()) widths[place] = Math.max(widths[place] ?? 0, cell.length);
  }
  return rows.map((row) =>
    `  ${row.map((cell, place) => cell.padEnd(widths[place] ?? 0)).join('  ')}`.trimEnd(),
  );
}

/** @param {{ versions: () => Promise<object> }} server */
async function versions(server) {
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8'));
  return { messageGc: version, node: process.version, ...(await server.versions()) };
}

function machine() {
  const all = cpus();
  return {
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    system: `${platform()} ${release()}`,
  };
}
