import { type Address, formatAddress, isLoopback } from '../../config/address.js';
import type { Config } from '../../config/read-config.js';
import { newId, nodeName } from '../../core/node-name.js';
import { policyHash } from '../../core/policy.js';
import { createControlServer } from '../../coreapp/control-server.js';
import { joinClusterOrRefuse } from '../cluster.js';
import { policyOf } from '../policy.js';
import { Workshop } from '../workshop.js';
import type { Base, ServedRole } from './role.js';
import { secretOf } from './webapp.js';

/** A worker of a cluster: its control port is its only door. */
export async function coreappRole(base: Base): Promise<ServedRole> {
  const { config, keeper, log } = base;
  const workshop = new Workshop({ ...base, form: 'multi' });
  let node = { name: '', boot: newId(), address: '' };
  const control = createControlServer({
    secret: secretOf(config),
    policyHash: policyHash(policyOf(config)),
    node: () => node.name,
    async start(request) {
      if (workshop.coreapp === null) throw keeper.trouble;
      return workshop.coreapp.startRun(request);
    },
    ready: () => keeper.state === 'connected' && workshop.coreapp !== null,
    meters: base.meters,
    log,
  });
  return {
    secure: async () => undefined,
    async listen() {
      const bound = await control.listen(config.control);
      // Port 0 is known now, and so is the name that is made of the port.
      node = {
        ...node,
        name: nodeName(config.host, bound.port, config.nodeId),
        address: dialled(config, bound),
      };
      if (config.control.port === 0 && config.nodeId === undefined) {
        log.warn(
          { node: node.name },
          'MESSAGE_GC_CONTROL_LISTEN takes any free port, so this node has another name after a restart: give it a port or MESSAGE_GC_NODE_ID',
        );
      }
      const url = `http://${formatAddress(bound)}`;
      return { url, facts: { control: url, node: node.name, dialled: node.address } };
    },
    async begin(engine) {
      // Before the node's row is there, which would keep the cluster that is at home here from its own.
      await joinClusterOrRefuse(base, secretOf(config));
      await workshop.begin(node, engine);
    },
    closing: [
      ['the control port', () => control.close()],
      ['the workers', () => workshop.stopWork()],
      ['the dispatcher', () => workshop.stopPost()],
    ],
  };
}

/** What Webapps dial: nobody else can reach loopback by a host name, and "all interfaces" is no address. */
function dialled({ host, isHostGiven }: Config, bound: Address): string {
  if (isLoopback(bound.host)) return formatAddress(bound);
  const isEverywhere = bound.host === '0.0.0.0' || bound.host === '::';
  return formatAddress({ host: isEverywhere || isHostGiven ? host : bound.host, port: bound.port });
}
