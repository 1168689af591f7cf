import { joinedKey } from '../../core/hold-key.js';
import type { Mapping } from '../../core/mapping.js';
import type { HoldKey } from '../../core/ports.js';
import { columnOf, findTable, readColumns } from './catalogue.js';
import { quoted, quotedTable } from './names.js';
import { asking, type Sessions } from './pool.js';
import { asText, familyOf, isInteger, literal } from './range.js';

export async function holdKeyOf(
  sessions: Sessions,
  mapping: Mapping,
  values: readonly string[],
): Promise<HoldKey> {
  return asking(sessions.control, 'look the key up', async (session) => {
    const columns = await readColumns(session, await findTable(session, mapping.table));
    const types = mapping.key.map((name) => columnOf(columns, name, mapping.table).type);
    const written: string[] = [];
    for (const [place, value] of values.entries()) {
      const type = types[place] ?? 'varchar';
      const one = writtenAs(value, type);
      if (one === null) return { kind: 'unfit', words: `"${value}" is no ${type}` };
      written.push(one);
    }
    const names = mapping.key.map((name) => `m.${quoted(name)}`);
    const read = names.map((name, place) => `${asText(name, types[place] ?? 'varchar')} AS k${place}`);
    const same = names.map(
      (name, place) => `${name} = ${literal(written[place] ?? '', types[place] ?? 'varchar')}`,
    );
    const rows = await session.rows<Record<string, unknown>>(
      `SELECT ${read.join(', ')} FROM ${quotedTable(mapping.table)} AS m WHERE ${same.join(' AND ')} LIMIT 1`,
    );
    const found = rows[0];
    const value = joinedKey(
      found === undefined ? written : read.map((_, place) => String(found[`k${place}`])),
    );
    return { kind: 'key', value, isThere: found !== undefined };
  });
}

/** As the server would write such a value; null: it is none. */
function writtenAs(value: string, type: string): string | null {
  if (isInteger(type)) return /^[+-]?\d+$/.test(value.trim()) ? String(BigInt(value)) : null;
  if (familyOf(type) === 'number') return /^-?\d+(\.\d+)?$/.test(value) ? value : null;
  if (familyOf(type) === 'bytes') return /^([0-9a-f]{2})+$/i.test(value) ? value.toUpperCase() : null;
  return value;
}
