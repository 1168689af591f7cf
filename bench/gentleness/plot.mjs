// What the application felt, second by second, as an SVG: a panel for each collector, its triples laid over each other, the
// phases marked. Written by hand: rectangles, lines and words are all that it has.

/** @typedef {import('./triple.mjs').Triple} Triple */

const panel = { width: 290, height: 190, left: 44, top: 46, gap: 18 };
const inner = { width: panel.width - panel.left - 6, height: panel.height - panel.top - 24 };
const columns = 4;
const phaseColours = { before: '#eef2f5', run: '#fbe3c8', after: '#f6f0d0', idle: '#eef2f5' };
const phaseWords = { before: 'idle', run: 'run', after: 'after', idle: 'idle' };
const lineColours = ['#1f5f8b', '#b4451f', '#3b7d3f', '#6b4c9a', '#8a6d1b'];
/** Milliseconds, on a scale of tenfold steps, of which the highest is that of the slowest second. */
const least = 0.1;

/**
 * @param {string} engine
 * @param {readonly Triple[]} triples
 */
export function plotOf(engine, triples) {
  const names = [...new Set(triples.map(({ collector }) => collector))];
  const rows = Math.ceil(names.length / columns);
  const width = Math.max(2, Math.min(columns, names.length)) * (panel.width + panel.gap) + panel.gap;
  const slowest = Math.max(
    ...triples.flatMap(({ phases }) =>
      Object.values(phases).flatMap(({ timeline }) =>
        timeline
          .split(' ')
          .map(Number)
          .filter((ms) => ms >= 0),
      ),
    ),
  );
  const most = 10 ** Math.max(1, Math.ceil(Math.log10(slowest)));
  const height = rows * (panel.height + panel.gap) + panel.gap + 40;
  const panels = names.map((name, place) => {
    const x = panel.gap + (place % columns) * (panel.width + panel.gap);
    const y = 40 + Math.floor(place / columns) * (panel.height + panel.gap);
    return `<g transform="translate(${x},${y})">${panelOf(
      triples.filter((one) => one.collector === name),
      most,
    )}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="10">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(
      panel.gap,
      24,
      `${engine}: p99 of each second of the application, in milliseconds`,
      'font-size="14"',
    ),
    ...panels,
    '</svg>\n',
  ].join('\n');
}

/** @param {readonly Triple[]} triples @param {number} most the top of the scale, ms */
function panelOf(triples, most) {
  const parts = [];
  const { rowsPerSecond = 0, ratio = 0, collector = '' } = middleOf(triples) ?? {};
  parts.push(text(0, 14, collector, 'font-size="12" font-weight="bold"'));
  parts.push(
    text(
      0,
      28,
      `${Math.round(rowsPerSecond).toLocaleString('en-US')} rows/s, p99 ${ratio.toFixed(2)} × idle`,
    ),
  );
  // Phases are as long as the longest of their kind, so that all triples begin each of them at the same place.
  const kinds = /** @type {const} */ (['before', 'run', 'after', 'idle']);
  const lengths = kinds.map((kind) => Math.max(...triples.map(({ phases }) => phases[kind].seconds)));
  const all = lengths.reduce((sum, length) => sum + length, 0);
  let from = 0;
  for (const [place, kind] of kinds.entries()) {
    const length = lengths[place] ?? 0;
    const x = xOf(from / all);
    const wide = (length / all) * inner.width;
    parts.push(
      `<rect x="${r(x)}" y="${panel.top}" width="${r(wide)}" height="${inner.height}" fill="${phaseColours[kind]}"/>`,
    );
    if (wide > 24) parts.push(text(x + 3, panel.top - 4, phaseWords[kind], 'fill="#666666"'));
    for (const [number, { phases }] of triples.entries()) {
      const points = phases[kind].timeline
        .split(' ')
        .map(Number)
        .map((ms, second) => [xOf((from + Math.min(length, second + 0.5)) / all), yOf(ms, most)])
        .filter(([, y]) => Number.isFinite(y));
      const colour = lineColours[number % lineColours.length];
      const line = points.map(([px = 0, py = 0]) => `${r(px)},${r(py)}`).join(' ');
      parts.push(`<polyline fill="none" stroke="${colour}" points="${line}"/>`);
      // A line through one point is not seen.
      for (const [px = 0, py = 0] of points.length === 1 ? points : [])
        parts.push(`<circle cx="${r(px)}" cy="${r(py)}" r="1.5" fill="${colour}"/>`);
    }
    from += length;
  }
  for (let step = Math.log10(least); step <= Math.log10(most); step += 1) {
    const ms = 10 ** step;
    const y = yOf(ms, most);
    parts.push(
      `<line x1="${panel.left}" x2="${panel.left + inner.width}" y1="${r(y)}" y2="${r(y)}" stroke="#cccccc" stroke-width="0.5"/>`,
      text(panel.left - 4, y + 3, String(Number(ms.toPrecision(1))), 'text-anchor="end" fill="#666666"'),
    );
  }
  parts.push(
    text(
      panel.left + inner.width,
      panel.top + inner.height + 13,
      `${Math.round(all)} s`,
      'text-anchor="end" fill="#666666"',
    ),
  );
  return parts.join('');
}

/** The triple whose ratio is the median. @param {readonly Triple[]} triples */
function middleOf(triples) {
  return triples.toSorted((a, b) => a.ratio - b.ratio)[Math.floor((triples.length - 1) / 2)];
}

/** @param {number} share */
const xOf = (share) => panel.left + share * inner.width;

/** @param {number} ms @param {number} most */
function yOf(ms, most) {
  const share = Math.log10(Math.max(least, ms) / least) / Math.log10(most / least);
  return panel.top + inner.height * (1 - Math.min(1, share));
}

/** @param {number} value */
const r = (value) => Number(value.toFixed(1));

/** @param {number} x @param {number} y @param {string} words @param {string} [more] */
const text = (x, y, words, more = '') =>
  `<text x="${r(x)}" y="${r(y)}" ${more}>${words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>`;
