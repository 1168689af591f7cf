import { busyWords, clusterFingerprint } from '../core/cluster.js';
import { Refusal } from '../core/errors.js';
import type { Base } from './roles/role.js';

/**
 * Before a Webapp or a Coreapp does anything with a store: two clusters on one database, or a copy of one, would work on
 * each other's run and call each other's receiver. A single instance has no secret, and does not ask.
 */
export async function joinClusterOrRefuse(
  { config, store, log }: Pick<Base, 'config' | 'store' | 'log'>,
  secret: string,
): Promise<void> {
  const { unhealthyIntervalS } = await store.home.settings();
  const answer = await store.ledger.joinCluster(
    (storeId) => clusterFingerprint(secret, storeId),
    unhealthyIntervalS * 1_000,
  );
  if (answer.kind === 'joined') return;
  if (answer.kind === 'adopted') {
    log.warn(
      { before: answer.before },
      'the database belonged to a cluster with another secret, in which nothing is going on: it belongs to this one now',
    );
    return;
  }
  throw new Refusal(
    'refused',
    `The database ${config.database.where} belongs to a cluster with another MESSAGE_GC_CLUSTER_SECRET, in which something is going on: ${busyWords(answer)}. Nothing was changed. Give this node the secret of that cluster, or another database. Where the secret is to change: let the nodes that have the old one end the run and send what waits, stop all of them, and start this one again (docs/multiconnect.md, "Two clusters on one database")`,
  );
}
