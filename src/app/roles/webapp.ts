import { formatAddress } from '../../config/address.js';
import { Refusal } from '../../core/errors.js';
import { paceOf } from '../../core/pace.js';
import { createNodeCaller } from '../../webapp/nodes/call-node.js';
import { NodeList } from '../../webapp/nodes/fan-out.js';
import { renderCallback } from '../../wire/callback-body.js';
import { joinClusterOrRefuse } from '../cluster.js';
import { FanOutDesk } from '../fan-out-desk.js';
import { createFront, secureDoor } from '../front.js';
import { policyOf } from '../policy.js';
import type { Base, ServedRole } from './role.js';

/** The front of a cluster: asks the Coreapps, deletes nothing and sends nothing itself. It keeps nothing, so there may be several. */
export async function webappRole(base: Base): Promise<ServedRole> {
  const { config, store, keeper } = base;
  const caller = createNodeCaller(secretOf(config));
  const desk = new FanOutDesk({
    keeper,
    store,
    policy: policyOf(config),
    pace: paceOf(config),
    nodes: new NodeList(store.ledger),
    caller,
    log: base.log,
    how: { renderCallback, summary: config.summaryCallback },
  });
  // Callbacks are sent by the Coreapps, which look for due ones themselves.
  const front = await createFront({ ...base, desk, settingsChanged: () => undefined });
  return {
    async secure() {
      await joinClusterOrRefuse(base, secretOf(config));
      await secureDoor(config, store);
    },
    async listen() {
      const url = `http://${formatAddress(await front.listen(config.listen))}`;
      return { url, facts: { http: url } };
    },
    begin: async () => undefined,
    closing: [
      ['the HTTP server', () => front.close()],
      ['the calls to Coreapps', () => caller.close()],
    ],
  };
}

/** The reader of the configuration has seen to it; whoever embeds this may not have. */
export function secretOf({ clusterSecret }: { readonly clusterSecret: string | null }): string {
  if (clusterSecret === null) throw new Refusal('configuration', 'MESSAGE_GC_CLUSTER_SECRET is not set');
  return clusterSecret;
}
