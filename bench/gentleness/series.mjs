// The series of one engine: triples of every collector in rotated order; then for each kind of collector the search for
// the highest speed at which the application's p99 stays within twice its idle figure.
import { median } from '../kit/figures.mjs';
import {
  archiver,
  bareDeletes,
  bareName,
  bestOfArchiver,
  oneDelete,
  ours,
  usualLoop,
  whyNoArchiver,
} from './collectors.mjs';
import { plotOf } from './plot.mjs';
import { figuresOf } from './quantiles.mjs';
import { measureTriple } from './triple.mjs';

/**
 * @typedef {import('./collectors.mjs').Collector} Collector
 * @typedef {import('./triple.mjs').Triple} Triple
 * @typedef {import('./postgres-world.mjs').World} World
 *
 * @typedef {object} Frame
 * @property {import('../kit/options.mjs').Options} options
 * @property {import('../kit/report.mjs').Report} report
 * @property {{ versions: () => Promise<object> }} server
 */

const budget = 2;
const gentleLimit = 1.25;
/** Samples of the search are kept apart: its probes are chosen by what was measured before. */
const searchGroup = 'search';
const triplesGroup = 'triples';

/** A search asks only on which side of twice the idle figure a speed lies, and has many probes to make. */
const searchShare = 1 / 3;

/** @param {import('../kit/options.mjs').Options} options @returns {import('./triple.mjs').Lengths} */
export function lengthsOf({ smoke, seconds }) {
  return smoke ? { phase: seconds ?? 1, warm: 0.2, after: 0.3 } : { phase: seconds ?? 60, warm: 2, after: 3 };
}

/**
 * @param {World} world
 * @param {Frame} frame
 * @param {{ leastShare: number }} aims  least speed of `gentle` as a share of the speed of `full`
 */
export async function measureSeries(world, { options, report, server }, { leastShare }) {
  const lengths = lengthsOf(options);
  if (options.add && report.takeUp() !== null) report.say('goes on from what was measured earlier today');
  const searchLengths = { ...lengths, phase: Math.ceil(lengths.phase * searchShare) };
  report.fact('phases', {
    ...lengths,
    search: searchLengths.phase,
    requestsPerSecond: 200,
    kinds: 'a third each: insert, read, update',
  });
  const why = world.engine === 'mariadb' ? whyNoArchiver() : null;
  if (why !== null) report.say(why);
  const hasArchiver = world.engine === 'mariadb' && why === null;
  const wanted = (/** @type {string} */ name) => options.only.length === 0 || options.only.includes(name);

  const collectors = [
    ours(world, 'gentle'),
    ours(world, 'balanced'),
    ours(world, 'full'),
    bareDeletes(world, () => median(speedsOf(report, 'gentle'))),
    oneDelete(world),
    usualLoop(world),
    ...(hasArchiver ? [archiver('pt-archiver at its best', bestOfArchiver(1_000))] : []),
    ...(hasArchiver ? [archiver('pt-archiver with defaults', [])] : []),
  ].filter(({ name }) => wanted(name));
  for (let repeat = 0; repeat < options.repeats; repeat += 1) {
    const first = collectors.length === 0 ? 0 : repeat % collectors.length;
    for (const collector of [...collectors.slice(first), ...collectors.slice(0, first)]) {
      if (collector.name === bareName && speedsOf(report, 'gentle').length === 0) {
        report.say(`${bareName}: left out, as gentle was not measured before it`);
        continue;
      }
      const triple = await measureTriple(world, collector, lengths, report);
      report.sample(triplesGroup, triple);
      report.say(wordsOf(triple));
      await report.keep(server);
    }
  }
  for (const [kind, ladder] of Object.entries(laddersOf(world, hasArchiver))) {
    // One probe shows that a search runs.
    if (wanted(`search ${kind}`)) await search(kind, options.smoke ? ladder.slice(-1) : ladder);
  }
  tellTriples(report, leastShare);
  tellSearches(report);
  const triples = /** @type {readonly Triple[]} */ (report.samplesOf(triplesGroup));
  if (triples.length > 0) report.beside('svg', plotOf(world.engine, triples));

  /**
   * Steps go from fast to slow; the fastest that keeps the budget is found by halves, as p99 falls with the speed.
   * @param {string} kind
   * @param {readonly Collector[]} ladder
   */
  async function search(kind, ladder) {
    let low = 0;
    let high = ladder.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const collector = ladder[middle];
      if (collector === undefined) return;
      const triple = await measureTriple(world, collector, searchLengths, report);
      report.sample(searchGroup, { kind, ...triple });
      report.say(`search ${wordsOf(triple)}`);
      await report.keep(server);
      if (triple.ratio <= budget) high = middle;
      else low = middle + 1;
    }
  }
}

/**
 * From fast to slow.
 * @param {World} world
 * @param {boolean} hasArchiver
 * @returns {Record<string, Collector[]>}
 */
function laddersOf(world, hasArchiver) {
  // Below what `gentle` reaches by itself, or the steps would not fall: about 3,000 rows/s on MariaDB.
  const rates =
    world.engine === 'postgresql' ? [100_000, 70_000, 50_000, 35_000, 25_000, 12_000] : [2_000, 1_000, 500];
  return {
    ours: [
      ours(world, 'full'),
      ours(world, 'balanced'),
      ours(world, 'gentle'),
      ...rates.map((rate) => ours(world, 'gentle', rate)),
    ],
    'the usual loop': [0, 2, 5, 10, 20, 50, 100, 200, 500].map((ms) => usualLoop(world, ms)),
    ...(hasArchiver && {
      // It sleeps whole seconds only, so the size of its chunks is the finer knob.
      'pt-archiver': [
        archiver('pt-archiver at its best', bestOfArchiver(1_000)),
        ...[10_000, 3_000, 1_000, 300].map((limit) =>
          archiver(`pt-archiver with ${limit} rows, sleeping 1 s`, [
            ...bestOfArchiver(limit),
            '--sleep',
            '1',
          ]),
        ),
      ],
    }),
  };
}

/** Rows a second in every triple so far. @param {import('../kit/report.mjs').Report} report @param {string} name */
function speedsOf(report, name) {
  const triples = /** @type {readonly Triple[]} */ (report.samplesOf(triplesGroup));
  return triples.filter(({ collector }) => collector === name).map(({ rowsPerSecond }) => rowsPerSecond);
}

/** @param {Triple} triple */
function wordsOf({ collector, rowsPerSecond, felt, idle, ratio, ratio999 }) {
  return `${collector}: ${Math.round(rowsPerSecond).toLocaleString('en-US')} rows/s, p99 ${felt.p99.toFixed(2)} ms against ${idle.p99.toFixed(2)} idle (${ratio.toFixed(2)} ×), p99.9 ${felt.p999.toFixed(2)} against ${idle.p999.toFixed(2)} (${ratio999.toFixed(2)} ×)`;
}

/** @param {import('../kit/report.mjs').Report} report @param {number} leastShare */
function tellTriples(report, leastShare) {
  const triples = /** @type {readonly Triple[]} */ (report.samplesOf(triplesGroup));
  if (triples.length === 0) return;
  const names = [...new Set(triples.map(({ collector }) => collector))];
  const of = (/** @type {string} */ name) => triples.filter(({ collector }) => collector === name);
  const idles = triples.flatMap(({ phases }) =>
    [phases.before, phases.idle].map((phase) => figuresOf(phase.histogram).p99),
  );
  const idle = median(idles);
  // A figure as bad as the worst idle one cannot be told from idle.
  const spread = Math.max(...idles) / idle;
  report.repeated(Math.max(0, ...names.map((name) => of(name).length)));
  report.fact('p99 of the idle phases, ms', {
    median: idle,
    least: Math.min(...idles),
    most: Math.max(...idles),
  });
  report.line(
    'idle',
    `p99 ${idle.toFixed(2)} ms`,
    `worst of ${idles.length} phases ${spread.toFixed(2)} × that`,
  );
  for (const name of names) {
    const own = of(name);
    const ratios = own.map(({ ratio }) => ratio);
    const rest = own.map(({ phases }) => figuresOf(phases.after.histogram).p99);
    report.line(
      name,
      `${Math.round(median(own.map(({ rowsPerSecond }) => rowsPerSecond))).toLocaleString('en-US')} rows/s`,
      `p99 ${median(own.map(({ felt }) => felt.p99)).toFixed(2)} ms`,
      `${median(ratios).toFixed(2)} × idle (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
      `p99.9 ${median(own.map(({ felt }) => felt.p999)).toFixed(1)} ms, ${median(own.map(({ ratio999 }) => ratio999)).toFixed(2)} × idle`,
      `just after it p99 ${median(rest).toFixed(1)} ms`,
      ...failuresOf(own),
    );
  }
  const gentle = of('gentle');
  const fullSpeeds = speedsOf(report, 'full');
  if (gentle.length === 0) return;
  const ratios = gentle.map(({ ratio }) => ratio);
  report.target(
    'p99 at gentle against idle',
    { value: median(ratios), byRepeat: ratios },
    'at most',
    Number(Math.max(gentleLimit, spread).toFixed(2)),
  );
  if (fullSpeeds.length === 0) return;
  const fullSpeed = median(fullSpeeds);
  const shares = speedsOf(report, 'gentle').map((speed) => speed / fullSpeed);
  report.target(
    'speed of gentle against full',
    { value: median(shares), byRepeat: shares },
    'at least',
    leastShare,
  );
}

/** @param {readonly Triple[]} triples */
function failuresOf(triples) {
  /** @type {Record<string, number>} */
  const failed = {};
  for (const triple of triples) {
    for (const [words, count] of Object.entries(triple.failed ?? {}))
      failed[words] = (failed[words] ?? 0) + count;
  }
  return Object.entries(failed).map(([words, count]) => `${count} requests failed: ${words}`);
}

/** The fastest that was seen within the budget, of all triples of a kind. @param {import('../kit/report.mjs').Report} report */
function tellSearches(report) {
  const probes = /** @type {readonly (Triple & { kind: string })[]} */ (report.samplesOf(searchGroup));
  for (const kind of new Set(probes.map((probe) => probe.kind))) {
    const own = probes.filter((probe) => probe.kind === kind);
    const best = own
      .filter(({ ratio }) => ratio <= budget)
      .toSorted((a, b) => b.rowsPerSecond - a.rowsPerSecond)[0];
    report.line(
      `fastest within ${budget} × idle: ${kind}`,
      best === undefined ? 'none' : `${Math.round(best.rowsPerSecond).toLocaleString('en-US')} rows/s`,
      best === undefined ? `of ${own.length} probes` : `${best.collector}, ${best.ratio.toFixed(2)} × idle`,
    );
  }
}
