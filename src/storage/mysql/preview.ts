import { nameOf } from '../../core/mapping.js';
import type { Policy } from '../../core/policy.js';
import type { Preview } from '../../core/dry-run.js';
import type { Planner } from '../../core/ports.js';
import { countWithin, type Counting, dryRunFrom } from '../preview/count-within.js';
import { limited } from './bounds.js';
import { columnOf } from './catalogue.js';
import { readTableFacts } from './table-facts.js';
import { indexSql } from './checks/age.js';
import { changed, leadsAnIndex, readExaminedTables } from './checks/examined.js';
import { eligibleSql } from './eligible.js';
import { withHoldList } from './hold-clause.js';
import { quotedTable } from './names.js';
import { readHorizon } from './planner.js';
import { asking, type Sessions } from './pool.js';
import { exactDependents, exactMessages, exactSample, type Looked } from './preview/exact.js';
import { countedDependents } from '../preview/counted-dependents.js';
import { bytesOf, readSizes, type Sizes } from './preview/sizes.js';
import { countSlices } from './preview/slices.js';
import { readOnly } from './read-only.js';
import type { Session } from './session.js';

/** What a run would do now. One READ ONLY transaction, plain reads of one snapshot; no row is locked. */
export function previewOf(sessions: Sessions, planner: Planner): Preview {
  return {
    async preview(given, limitMs, rowsPerSecond) {
      // What is asked of the catalogue at the end must fit into the limit, too.
      const until = performance.now() + limitMs * 0.9;
      const { plan } = await planner.plan(given);
      return asking(sessions.control, 'make the dry run', (session) =>
        readOnly(session, async () => {
          const policy = await withHoldList(session, given, plan);
          const sizes = await readSizes(session, policy.mapping);
          const looked = await lookedAt(session, policy, plan.horizon);
          const counted = await countWithin(countingOf(session, looked, sizes), until);
          const bytes = bytesOf(sizes, policy.mapping, counted.messages, counted.dependents);
          const rest = { ...bytes, missingIndex: await missingIndex(session, policy) };
          return dryRunFrom(counted, plan, rest, rowsPerSecond);
        }),
      );
    },
    shareEligible: (policy, limitMs) =>
      asking(sessions.control, 'look how much would be deleted', (session) =>
        readOnly(session, () => shareEligible(session, policy, performance.now() + limitMs * 0.9)),
      ),
  };
}

type LookedAt = Looked & { readonly keyIndex: string; readonly tableRows: number };

async function lookedAt(session: Session, policy: Policy, horizon: string): Promise<LookedAt> {
  const facts = await readTableFacts(session, policy.mapping);
  const { mapping } = policy;
  const keyTypes = mapping.key.map((name) => columnOf(facts.columns, name, mapping.table).type);
  return { policy, horizon, keyTypes, keyIndex: facts.keyIndex, tableRows: facts.rows };
}

function countingOf(session: Session, looked: LookedAt, { tables }: Sizes): Counting {
  const { keyIndex, tableRows } = looked;
  return {
    mapping: looked.policy.mapping,
    tables,
    messages: (limitMs) => exactMessages(session, looked, limitMs),
    dependents: (limitMs) => exactDependents(session, looked, limitMs),
    sample: (limitMs) => exactSample(session, looked, limitMs),
    slices: (until, withDependents) =>
      countSlices(session, { looked, keyIndex, tableRows, until, withDependents }),
    guess: () => guess(session, looked),
  };
}

async function guess(session: Session, { policy, horizon, tableRows }: LookedAt): Promise<number> {
  // MySQL says `filtered` without being asked, and knows no EXTENDED.
  const explain = session.can.engine === 'mariadb' ? 'EXPLAIN EXTENDED' : 'EXPLAIN';
  const rows = await session.rows<{ rows: number | null; filtered?: number | string | null }>(
    `${explain} SELECT 1 FROM ${quotedTable(policy.mapping.table)} AS m WHERE ${eligibleSql(policy, horizon)}`,
  );
  const share = Number(rows[0]?.filtered ?? 100) / 100;
  return Math.min(tableRows, Math.round(Number(rows[0]?.rows ?? tableRows) * share));
}

/** Tables up to here are counted for the brake; larger ones are sampled. */
const countedUpTo = 100_000;

async function shareEligible(session: Session, policy: Policy, until: number) {
  const looked = await lookedAt(session, policy, await readHorizon(session, policy.retentionSeconds));
  const left = (): number => Math.max(1, until - performance.now());
  if (looked.tableRows <= countedUpTo) {
    const rows = await limited<{ all: number; messages: number }>(
      session,
      `count(*) AS \`all\`, CAST(coalesce(sum((${eligibleSql(policy, looked.horizon)}) IS TRUE), 0) AS UNSIGNED) AS messages
       FROM ${quotedTable(policy.mapping.table)} AS m`,
      left() * 0.6,
    );
    const found = rows?.[0];
    if (found !== undefined) {
      const all = Number(found.all);
      return { share: all === 0 ? 0 : Number(found.messages) / all, rows: all };
    }
  }
  const { keyIndex, tableRows } = looked;
  const found = await countSlices(session, { looked, keyIndex, tableRows, until, withDependents: false });
  return found === null ? null : { share: found.messages / Math.max(1, tableRows), rows: tableRows };
}

/** The index that is missed most: each batch looks for dependents, each run once for the oldest message. */
async function missingIndex(session: Session, { mapping }: Policy): Promise<string | null> {
  const tables = changed(await readExaminedTables(session, mapping));
  for (const { dependent } of countedDependents(mapping)) {
    const examined = tables.find(({ table }) => nameOf(table) === nameOf(dependent.table));
    const columns = dependent.match.map(({ column }) => column);
    if (examined !== undefined && !(await leadsAnIndex(session, examined.real, columns)))
      return indexSql(examined, columns);
  }
  const messages = tables[0];
  if (messages === undefined || (await leadsAnIndex(session, messages.real, [mapping.age.column])))
    return null;
  return indexSql(messages, [mapping.age.column]);
}
