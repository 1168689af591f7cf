/**
 * `message-gc doctor` on the MySQL family: looks at what a run will need and meet, changes nothing, and says for each
 * point what was found, why it matters, and what to do, with the statement to run where there is one.
 *
 * `error`: a run is refused or fails. `warning`: a run works, slower or with a risk that is named.
 */
import { type Mapping, ownMapping } from '../../core/mapping.js';
import type { Finding } from '../../core/ports.js';
import { privilegeFindings } from './doctor-privileges.js';
import { serverFindings } from './doctor-server.js';
import { readExaminedTables, tableFindings } from './doctor-tables.js';
import type { Session } from './session.js';

export async function doctorFindings(
  session: Session,
  mapping: Mapping = ownMapping,
): Promise<readonly Finding[]> {
  const tables = await readExaminedTables(session, mapping);
  return [
    ...(await serverFindings(session)),
    ...(await tableFindings(session, mapping, tables)),
    ...(await privilegeFindings(session, tables)),
  ];
}
