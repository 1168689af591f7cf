// Variants measured side by side: each on its own copy of one template, in alternating order, so that what changes
// slowly on a machine (cache, disk, neighbours) falls on all of them. Every count is checked by an independent one.
import { median } from './figures.mjs';
import { countRows } from './tables.mjs';

/**
 * @typedef {object} Measured
 * @property {number} ms
 * @property {number} deleted
 * @property {number} dependents
 *
 * @typedef {{ repeat: number, variant: string } & Measured & Record<string, unknown>} Sample
 */

/**
 * @template {Measured} T
 * @param {object} world
 * @param {import('./server.mjs').Server} world.server
 * @param {string} world.template
 * @param {string} world.templateUrl
 * @param {boolean} world.receipts
 * @param {number} world.repeats
 * @param {import('./report.mjs').Report} world.report
 * @param {Readonly<Record<string, (url: string) => Promise<T>>>} variants
 * @returns {Promise<Record<string, (T & { repeat: number })[]>>}
 */
export async function sideBySide({ server, template, templateUrl, receipts, repeats, report }, variants) {
  const tables = { messages: 'bench_messages', receipts: receipts ? 'bench_receipts' : null };
  const before = await countRows(templateUrl, tables);
  report.fact('rows', before);
  /** @type {Record<string, (T & { repeat: number })[]>} */
  const samples = Object.fromEntries(Object.keys(variants).map((name) => [name, []]));
  const names = Object.keys(variants);
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    for (const name of repeat % 2 === 0 ? names : [...names].reverse()) {
      const measure = variants[name];
      if (measure === undefined) continue;
      await server.withCopy(template, async (copy) => {
        const measured = await measure(copy.url);
        const after = await countRows(copy.url, tables);
        report.check(
          `${name}, repeat ${repeat + 1}: messages`,
          measured.deleted,
          before.messages - after.messages,
        );
        report.check(`${name}, repeat ${repeat + 1}: eligible before`, measured.deleted, before.eligible);
        report.check(`${name}, repeat ${repeat + 1}: eligible after`, after.eligible, 0);
        if (receipts) {
          report.check(
            `${name}, repeat ${repeat + 1}: receipts`,
            measured.dependents,
            before.receipts - after.receipts,
          );
          report.check(`${name}, repeat ${repeat + 1}: receipts without a message`, after.orphans, 0);
        }
        samples[name]?.push({ repeat, ...measured });
        report.sample(name, { repeat, ...measured });
        report.say(`${name}: ${Math.round(measured.ms)} ms (repeat ${repeat + 1} of ${repeats})`);
      });
    }
  }
  for (const name of names) {
    const all = samples[name] ?? [];
    const ms = median(all.map((sample) => sample.ms));
    report.line(
      name,
      `${Math.round(ms)} ms`,
      `${Math.round(((all[0]?.deleted ?? 0) / ms) * 1_000)} messages/s`,
    );
  }
  return samples;
}

/**
 * How many times as fast as the base: median time of the base over median time of the variant.
 * @param {readonly Measured[] | undefined} base
 * @param {readonly Measured[] | undefined} variant
 */
export function timesAsFast(base = [], variant = []) {
  return median(base.map((sample) => sample.ms)) / median(variant.map((sample) => sample.ms));
}
