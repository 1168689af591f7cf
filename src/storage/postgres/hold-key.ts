import { joinedKey } from '../../core/hold-key.js';
import type { Mapping } from '../../core/mapping.js';
import type { HoldKey } from '../../core/ports.js';
import { readTableFacts } from './catalogue.js';
import { quoted, quotedTable } from './names.js';
import { Parameters } from './range.js';
import { asking, type Sessions } from './session.js';

/** Class 22, data exception: the text is no value of the column's type. */
const noValue = /^22/;

export async function holdKeyOf(
  sessions: Sessions,
  mapping: Mapping,
  values: readonly string[],
): Promise<HoldKey> {
  return asking(sessions, sessions.control, 'look the key up', async (client) => {
    const { keyTypes } = await readTableFacts(client, mapping);
    const parameters = new Parameters();
    const given = values.map((value, place) => parameters.add(value, keyTypes[place] ?? 'text'));
    const columns = mapping.key.map((name) => `m.${quoted(name)}`);
    const same = columns.map((column, place) => `${column} = ${given[place]}`).join(' AND ');
    const texts = (list: readonly string[]): string =>
      `ARRAY[${list.map((one) => `${one}::text`).join(', ')}]`;
    try {
      const { rows } = await client.query<{ given: string[]; found: string[] | null }>(
        `SELECT ${texts(given)} AS given, (SELECT ${texts(columns)} FROM ${quotedTable(mapping.table)} m WHERE ${same} LIMIT 1) AS found`,
        parameters.values,
      );
      const { given: written = [], found = null } = rows[0] ?? {};
      return { kind: 'key', value: joinedKey(found ?? written), isThere: found !== null };
    } catch (error) {
      const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
      if (typeof code !== 'string' || !noValue.test(code)) throw error;
      return { kind: 'unfit', words: String(message) };
    }
  });
}
