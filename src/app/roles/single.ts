import { formatAddress } from '../../config/address.js';
import { newId, nodeName } from '../../core/node-name.js';
import { paceOf } from '../../core/pace.js';
import { RunDeskOf } from '../desk.js';
import { createFront, secureDoor } from '../front.js';
import { policyOf } from '../policy.js';
import { Workshop } from '../workshop.js';
import type { Base, ServedRole } from './role.js';

/** Webapp and Coreapp in one process. It opens no control port. */
export async function singleRole(base: Base): Promise<ServedRole> {
  const { config, store, keeper } = base;
  const name = nodeName(config.host, config.control.port, config.nodeId);
  const workshop = new Workshop({ ...base, form: 'single' });
  const desk = new RunDeskOf(keeper, store, policyOf(config), paceOf(config), workshop, base.log);
  const front = await createFront({ ...base, desk, settingsChanged: () => workshop.settingsChanged() });
  return {
    secure: () => secureDoor(config, store),
    async listen() {
      const url = `http://${formatAddress(await front.listen(config.listen))}`;
      return { url, facts: { http: url, node: name } };
    },
    begin: (engine) => workshop.begin({ name, boot: newId(), address: '' }, engine),
    closing: [
      ['the HTTP server', () => front.close()],
      ['the workers', () => workshop.stopWork()],
      ['the dispatcher', () => workshop.stopPost()],
    ],
  };
}
