/** The doctor's look for others who delete from the same table. */
import type { Mapping } from '../../../core/mapping.js';
import type { Finding } from '../../../core/ports.js';
import { notExamined } from '../../checks/finding.js';
import { othersFinding } from '../../checks/other-collectors.js';
import { flatDependents } from '../../checks/flat-dependents.js';
import { textSql } from '../names.js';
import { Privileges } from '../privileges.js';
import type { Session } from '../session.js';

export async function otherCollectorFindings(
  session: Session,
  mapping: Mapping,
): Promise<readonly Finding[]> {
  const name = mapping.table.name.replaceAll(/[^\w]/g, '.');
  const pattern = textSql(
    `DELETE[[:space:]]+(QUICK[[:space:]]+)?FROM[[:space:]]+([^[:space:]]+[.])?\`?${name}\`?([^[:alnum:]_]|$)`,
  );
  const sessions = await session.rows<{ id: number; user: string }>(
    `SELECT ID AS id, USER AS user FROM information_schema.PROCESSLIST
     WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND INFO REGEXP ${pattern} AND INFO NOT LIKE '%message-gc run=%'`,
  );
  const events = await session.rows<{ name: string }>(
    `SELECT EVENT_NAME AS name FROM information_schema.EVENTS
     WHERE EVENT_SCHEMA = DATABASE() AND STATUS = 'ENABLED' AND EVENT_DEFINITION REGEXP ${pattern}`,
  );
  const rows = await session.rows<{ db: string }>('SELECT DATABASE() AS db');
  const database = rows[0]?.db ?? '';
  const privileges = await Privileges.read(session);
  const grants = [
    ...(privileges.hasGlobal('PROCESS') ? [] : [`GRANT PROCESS ON *.* TO ${privileges.grantee};`]),
    ...(privileges.onDatabase('EVENT', database)
      ? []
      : [`GRANT EVENT ON \`${database.replaceAll('`', '``')}\`.* TO ${privileges.grantee};`]),
  ];
  const others = [
    ...sessions.map(({ id, user }) => `session ${id} (${user}) deletes from it`),
    ...events.map((event) => `the event ${event.name}`),
    ...known(mapping),
  ];
  return [
    othersFinding(others, grants.length > 0),
    ...(grants.length === 0
      ? []
      : [
          {
            ...notExamined('Other collectors', 'not all sessions and events may be seen'),
            todo: grants.join(' '),
          },
        ]),
  ];
}

/** Applications whose own clean-up is known, by the tables that they have. */
function known(mapping: Mapping): readonly string[] {
  const tables = new Set(flatDependents(mapping).map(({ dependent }) => dependent.table.name));
  const isSmsGateway =
    mapping.table.name === 'messages' && tables.has('message_recipients') && tables.has('message_states');
  return isSmsGateway
    ? ['these are the tables of android-sms-gateway, whose worker has the task messages:cleanup (max_age)']
    : [];
}
