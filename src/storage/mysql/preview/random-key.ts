import type { Mapping } from '../../../core/mapping.js';
import { quoted } from '../names.js';
import { asText } from '../range.js';

/** DATA_TYPE of the key's columns. */
export type KeyTypes = readonly string[];

/** The key as text columns `k0`, `k1`, … */
export function keyText({ key }: Mapping, types: KeyTypes, alias: string): string {
  return key
    .map((column, place) => `${asText(`${alias}.${quoted(column)}`, types[place] ?? 'varchar')} AS k${place}`)
    .join(', ');
}

const integers = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint']);
const binaries = new Set(['binary', 'varbinary']);
const texts = new Set(['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext']);

/**
 * A place somewhere between two values of a key's first column, as text, from where a sample is taken. Nothing but the
 * fairness of the sample depends on it, so it is guessed from the letters; the database alone compares keys. Null:
 * this type has no such places.
 */
export function randomKey(type: string, low: string, high: string): string | null {
  if (integers.has(type)) {
    const width = BigInt(high) - BigInt(low) + 1n;
    const part = BigInt(Math.floor(Math.random() * 2 ** 48));
    return String(BigInt(low) + (width * part) / BigInt(2 ** 48));
  }
  if (type === 'uuid') {
    const digits = between(low.replaceAll('-', ''), high.replaceAll('-', ''), '0123456789abcdef');
    const whole = digits.padEnd(32, '0').slice(0, 32);
    return whole.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }
  if (binaries.has(type)) {
    const digits = between(low, high, '0123456789ABCDEF');
    return digits.length % 2 === 0 ? digits : `${digits}0`;
  }
  return texts.has(type) ? between(low, high, lettersOf(low, high)) : null;
}

function lettersOf(low: string, high: string): string {
  const both = low + high;
  if (/^[0-9a-f-]+$/i.test(both)) return /[A-F]/.test(both) ? '0123456789ABCDEF' : '0123456789abcdef';
  return '0123456789abcdefghijklmnopqrstuvwxyz';
}

/** What both begin with, a letter between those where they part, and a few more at random. */
function between(low: string, high: string, letters: string): string {
  let same = 0;
  while (same < low.length && low[same] === high[same]) same += 1;
  const first = Math.max(0, letters.indexOf((low[same] ?? '').toLowerCase()));
  const found = letters.indexOf((high[same] ?? '').toLowerCase());
  const last = found === -1 ? letters.length - 1 : Math.max(first, found);
  const pick = (from: number, to: number): string =>
    letters[from + Math.floor(Math.random() * (to - from + 1))] ?? '';
  const rest = Array.from({ length: 6 }, () => pick(0, letters.length - 1)).join('');
  return `${low.slice(0, same)}${pick(first, last)}${rest}`;
}
