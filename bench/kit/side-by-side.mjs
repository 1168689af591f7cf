// Variants measured side by side: each on its own copy of one template, in rotated order, so that what changes slowly
// on a machine (cache, disk, neighbours) falls on all of them. Every count is checked by an independent one.
import { median } from './figures.mjs';
import { toSample } from './ours.mjs';
import { benchTables, countRows } from './tables.mjs';

/**
 * @typedef {object} Measured
 * @property {number} ms
 * @property {number} deleted
 * @property {number} dependents
 */

/**
 * @template {Measured} T
 * @param {object} world
 * @param {import('./server.mjs').Server} world.server
 * @param {{ name: string, url: string }} world.template
 * @param {boolean} world.receipts
 * @param {number} world.repeats
 * @param {import('./report.mjs').Report} world.report
 * @param {Readonly<Record<string, (url: string) => Promise<T>>>} variants
 * @returns {Promise<Record<string, T[]>>} by variant, in the order of the repeats
 */
export async function sideBySide({ server, template, receipts, repeats, report }, variants) {
  const tables = { ...benchTables, ...(receipts ? {} : { receipts: null }) };
  const before = await countRows(template.url, tables);
  /** @type {Record<string, T[]>} */
  const samples = Object.fromEntries(Object.keys(variants).map((name) => [name, []]));
  const names = Object.keys(variants);
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    const first = repeat % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      const measure = variants[name];
      if (measure === undefined) continue;
      await server.withCopy(template.name, async (copy) => {
        await report.listenForNeighbours();
        const measured = await measure(copy.url);
        const after = await countRows(copy.url, tables);
        const which = `${name}, repeat ${repeat + 1}`;
        report.check(`${which}: messages gone`, measured.deleted, before.messages - after.messages);
        report.check(`${which}: eligible before`, measured.deleted, before.eligible);
        report.check(`${which}: eligible after`, after.eligible, 0);
        if (receipts) {
          report.check(`${which}: receipts gone`, measured.dependents, before.receipts - after.receipts);
          report.check(`${which}: receipts without a message`, after.orphans, 0);
        }
        samples[name]?.push(measured);
        report.sample(name, { repeat: repeat + 1, ...toSample({ ...measured }) });
        report.say(`${name}: ${Math.round(measured.ms)} ms (repeat ${repeat + 1} of ${repeats})`);
      });
    }
  }
  for (const name of names) {
    const all = samples[name] ?? [];
    const ms = median(all.map((sample) => sample.ms));
    const rate = Math.round(((all[0]?.deleted ?? 0) / ms) * 1_000);
    report.line(name, `${Math.round(ms)} ms`, `${rate.toLocaleString('en-US')} messages/s`);
  }
  return samples;
}

/**
 * How many times as fast as the base: median time of the base over median time of the variant.
 * @param {readonly Measured[] | undefined} base
 * @param {readonly Measured[] | undefined} variant
 */
export function timesAsFast(base = [], variant = []) {
  return {
    value: median(base.map(({ ms }) => ms)) / median(variant.map(({ ms }) => ms)),
    byRepeat: base.map(({ ms }, repeat) => ms / (variant[repeat]?.ms ?? Number.NaN)),
  };
}
