// Whether a run slows down as it goes, or with the table: time per key walked in the last tenth against the tenth after
// the first 5 % (where batches grow to their size), and time per message of a large table against a small one.
import { median } from './figures.mjs';

const most = 1.3;

/** @param {number} rows */
export const nameOf = (rows) => `${rows.toLocaleString('en-US')} rows`;

/**
 * @param {import('./report.mjs').Report} report
 * @param {{ rows: number, runs: readonly import('./ours.mjs').Collected[] }} small
 * @param {{ rows: number, runs: readonly import('./ours.mjs').Collected[] }} large
 */
export function tellFlatness(report, small, large) {
  const perMessage = (/** @type {typeof small} */ { runs }) =>
    runs.map((run) => (run.ms * 1_000) / run.deleted);
  const [ofSmall, ofLarge] = [perMessage(small), perMessage(large)];
  report.line(nameOf(small.rows), `${median(ofSmall).toFixed(2)} µs a message`);
  report.line(nameOf(large.rows), `${median(ofLarge).toFixed(2)} µs a message`);
  const tenths = large.runs.map((run) => tenthsOf(run.batches));
  report.fact('ns per key walked, by tenths of the large run', tenths);
  report.target(
    'last tenth against the tenth after the first 5 %',
    { value: median(tenths.map((one) => one.ratio)), byRepeat: tenths.map((one) => one.ratio) },
    'at most',
    most,
  );
  report.target(
    `${nameOf(large.rows)} against ${small.rows.toLocaleString('en-US')}, per message`,
    {
      value: median(ofLarge) / median(ofSmall),
      byRepeat: ofLarge.map((us, at) => us / (ofSmall[at] ?? Number.NaN)),
    },
    'at most',
    most,
  );
}

/**
 * How much dearer a message of the large table is than one of the small table, until the work has answered and until what
 * it left is purged as well.
 * @param {import('./report.mjs').Report} report
 * @param {string} who
 * @param {readonly Piece[]} small
 * @param {readonly Piece[]} large
 *
 * @typedef {{ ms: number, purgeMs: number, deleted: number }} Piece
 */
export function tellGrowth(report, who, small, large) {
  const times = (/** @type {(piece: Piece) => number} */ of) => {
    const perMessage = (/** @type {readonly Piece[]} */ pieces) =>
      median(pieces.map((piece) => of(piece) / piece.deleted));
    return (perMessage(large) / perMessage(small)).toFixed(2);
  };
  const answered = times(({ ms }) => ms);
  const purged = times(({ ms, purgeMs }) => ms + purgeMs);
  report.line(`${who}, per message of the large table`, `${answered} ×`, `until it is purged ${purged} ×`);
}

/**
 * Wall time from where a share of all keys was walked to where another was, for both workers together.
 * @param {readonly import('./ours.mjs').Batch[]} unordered
 */
function tenthsOf(unordered) {
  const batches = unordered.toSorted((a, b) => a.at - b.at);
  const all = batches.reduce((sum, { walked }) => sum + walked, 0);
  const first = batches[0];
  const beganAt = first === undefined ? 0 : first.at - first.ms;
  /** When this share was reached, between the ends of two batches by proportion. @param {number} share */
  const reachedAt = (share) => {
    let walked = 0;
    let at = beganAt;
    for (const batch of batches) {
      if (walked + batch.walked >= share * all) {
        const part = batch.walked === 0 ? 1 : (share * all - walked) / batch.walked;
        return at + (batch.at - at) * part;
      }
      walked += batch.walked;
      at = batch.at;
    }
    return at;
  };
  const nsPerKey = (/** @type {number} */ from, /** @type {number} */ to) =>
    ((reachedAt(to) - reachedAt(from)) * 1e6) / ((to - from) * all);
  const early = nsPerKey(0.05, 0.15);
  const last = nsPerKey(0.9, 1);
  return {
    tenths: Array.from({ length: 10 }, (_, tenth) => Math.round(nsPerKey(tenth / 10, (tenth + 1) / 10))),
    early: Math.round(early),
    last: Math.round(last),
    ratio: last / early,
  };
}
