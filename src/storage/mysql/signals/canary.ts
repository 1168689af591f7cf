import { StoreError } from '../../../core/errors.js';
import type { Mapping } from '../../../core/mapping.js';
import { canaryLoop } from '../../signals/canary-loop.js';
import type { Watcher } from '../../signals/gather.js';
import { findTable, readColumns } from '../catalogue.js';
import { quoted, quotedTable } from '../names.js';
import { asking, type Sessions } from '../pool.js';
import { asText, literal } from '../range.js';
import type { Session } from '../session.js';
import { beat, beginPulse } from './pulse.js';

/** What the application asks most: a row by its key, and a row written and committed. */
export function canary(sessions: Sessions, { mapping }: { readonly mapping: Mapping }, id: string): Watcher {
  let look = '';
  const send = (session: Session): Promise<void> => probe(session, look, id);
  const loop = canaryLoop(() => asking(sessions.canary, 'send the canary', send).catch(slowIsAnAnswer));
  return {
    signal: 'canary',
    async probe() {
      look = await asking(sessions.canary, 'choose a row for the canary', async (session) => {
        await beginPulse(session, id);
        return lookOf(session, mapping);
      });
      await loop.begin();
      return null;
    },
    read: async () => loop.read(),
    close: async () => {
      await loop.stop();
    },
  };
}

async function probe(session: Session, look: string, id: string): Promise<void> {
  await session.rows(look);
  await beat(session, id);
}

/** The server ended it at its time limit: it took that long, and more. */
function slowIsAnAnswer(error: unknown): void {
  if (!(error instanceof StoreError) || (error.kind !== 'slow' && error.kind !== 'conflict')) throw error;
}

/**
 * The row of the highest key, by its key: the newest one in most tables, and the last that a run comes to. (The lowest
 * would be looked for among rows that are deleted and not purged yet.) It may be gone later, and is a dive into the
 * index all the same.
 */
async function lookOf(session: Session, { table, key }: Mapping): Promise<string> {
  const columns = await readColumns(session, await findTable(session, table));
  const typed = key.map((name) => ({ name: quoted(name), type: columns[name]?.type ?? 'varchar' }));
  const values = typed.map(({ name, type }, place) => `${asText(name, type)} AS k${place}`);
  const order = typed.map(({ name }) => `${name} DESC`);
  const rows = await session.rows<Readonly<Record<string, string | number>>>(
    `SELECT ${values.join(', ')} FROM ${quotedTable(table)} ORDER BY ${order.join(', ')} LIMIT 1`,
  );
  const row = rows[0];
  const from = `SELECT ${typed.map(({ name }) => name).join(', ')} FROM ${quotedTable(table)}`;
  if (row === undefined) return `${from} LIMIT 1`;
  const same = typed.map(({ name, type }, place) => `${name} = ${literal(String(row[`k${place}`]), type)}`);
  return `${from} WHERE ${same.join(' AND ')}`;
}
