import type { NodeIdentity } from '../../core/ports.js';
import type { NodeLive } from '../../core/run-view.js';
import { control, type Db, type Dialect } from './dialect.js';

/** A node tells once a second; what is older than this is not its state any more. */
const freshMs = 10_000;

/** One small write by key; nothing depends on it, and a node that lost its name writes nothing. */
export async function tellLive(
  dialect: Dialect,
  node: NodeIdentity,
  runId: string,
  live: NodeLive,
): Promise<void> {
  await control(
    dialect,
    'tell how the run goes',
    (trx) =>
      trx
        .updateTable('node')
        .set({ live: JSON.stringify({ run: runId, ...live }), live_at: dialect.now() })
        .where('name', '=', node.name)
        .where('boot', '=', node.boot)
        .execute(),
    'replayable',
  );
}

/** What the nodes said of this run in the last seconds, by name. */
export async function freshLives(
  dialect: Dialect,
  db: Db,
  runId: string,
): Promise<ReadonlyMap<string, NodeLive>> {
  const rows = await db
    .selectFrom('node')
    .select(['name', 'live'])
    .where('live_at', '>', dialect.nowPlus(-freshMs))
    .where('left_at', 'is', null)
    .execute();
  const lives = new Map<string, NodeLive>();
  for (const { name, live } of rows) {
    if (live === null) continue;
    const { run, ...told } = JSON.parse(live) as NodeLive & { readonly run: string };
    if (run === runId) lives.set(name, told);
  }
  return lives;
}
