import type { KnownNode, NodeIdentity } from '../../core/ports.js';
import { control, type Dialect, reading } from './dialect.js';

/** T1: the newer process takes the row, and what an earlier life of this node held is given back at once. */
export async function registerNode(dialect: Dialect, node: NodeIdentity, policyHash: string): Promise<void> {
  await control(dialect, 'register the node', async (trx) => {
    await dialect.insertUnlessThere(trx, 'node', {
      name: node.name,
      boot: node.boot,
      address: node.address,
      policy_hash: policyHash,
      started_at: dialect.now(),
      beat_at: dialect.now(),
    });
    await trx
      .updateTable('node')
      .set((eb) => ({
        boot: node.boot,
        address: node.address,
        policy_hash: policyHash,
        started_at: dialect.now(),
        beat_at: dialect.now(),
        left_at: null,
        beats: eb('beats', '+', 1),
      }))
      .where('name', '=', node.name)
      .execute();
    const run = await trx.selectFrom('run').select('id').where('active', '=', 1).executeTakeFirst();
    if (run === undefined) return;
    await trx
      .updateTable('run')
      .set((eb) => ({ version: eb('version', '+', 1) }))
      .where('id', '=', run.id)
      .where('state', '<>', 'ended')
      .execute();
    await trx
      .updateTable('span')
      .set((eb) => ({
        state: 'open' as const,
        owner: null,
        boot: null,
        lease_until: null,
        fence: eb('fence', '+', 1),
        due_at: dialect.now(),
      }))
      .where('run', '=', run.id)
      .where('state', '=', 'leased')
      .where('owner', '=', node.name)
      .where('boot', '<>', node.boot)
      .execute();
  });
}

/** T2. Heartbeats serve the map of nodes and health; they extend no lease. */
export async function beatNode(dialect: Dialect, node: NodeIdentity): Promise<boolean> {
  const beaten = await control(
    dialect,
    'write the heartbeat',
    (trx) =>
      trx
        .updateTable('node')
        .set((eb) => ({ beat_at: dialect.now(), beats: eb('beats', '+', 1) }))
        .where('name', '=', node.name)
        .where('boot', '=', node.boot)
        .executeTakeFirstOrThrow(),
    'replayable',
  );
  return beaten.numUpdatedRows === 1n;
}

export async function leaveNode(dialect: Dialect, node: NodeIdentity): Promise<void> {
  await control(dialect, 'leave', (trx) =>
    trx
      .updateTable('node')
      .set({ left_at: dialect.now() })
      .where('name', '=', node.name)
      .where('boot', '=', node.boot)
      .execute(),
  );
}

/** Nodes that have not left and whose last heartbeat is younger than `withinMs`. */
export async function liveNodes(dialect: Dialect, withinMs: number): Promise<readonly KnownNode[]> {
  const rows = await reading(dialect, 'list the nodes', (db) =>
    db
      .selectFrom('node')
      .select(['name', 'boot', 'address', 'policy_hash', 'beat_at', dialect.now().as('asked_at')])
      .where('left_at', 'is', null)
      .where('beat_at', '>', dialect.nowPlus(-withinMs))
      .orderBy('name')
      .execute(),
  );
  return rows.map(({ name, boot, address, policy_hash, beat_at, asked_at }) => ({
    name,
    boot,
    address,
    policyHash: policy_hash,
    silentMs: Math.max(0, asked_at.getTime() - beat_at.getTime()),
  }));
}
