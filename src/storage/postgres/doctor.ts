/**
 * `message-gc doctor` on PostgreSQL: looks at what a run will need and meet, changes nothing, and says for each
 * point what was found, why it matters, and what to do, with the statement to run where there is one.
 *
 * `error`: a run is refused or fails. `warning`: a run works, slower or with a risk that is named.
 */
import { type Mapping, ownMapping } from '../../core/mapping.js';
import type { Finding } from '../../core/ports.js';
import { privilegeFindings } from './doctor-privileges.js';
import { serverFindings } from './doctor-server.js';
import { readExaminedTables, tableFindings } from './doctor-tables.js';
import type { Queryable } from './own-tables.js';

/** `q` is one session, not a pool: one of the checks is whether it stays the same. Throws what the driver throws. */
export async function doctorFindings(
  q: Queryable,
  mapping: Mapping = ownMapping,
): Promise<readonly Finding[]> {
  const tables = await readExaminedTables(q, mapping);
  return [
    ...(await serverFindings(q)),
    ...(await tableFindings(q, mapping, tables)),
    ...(await privilegeFindings(q, tables)),
  ];
}
