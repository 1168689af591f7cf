import { nameOf } from '../../core/mapping.js';
import type { Policy } from '../../core/policy.js';
import type { DryRun, Planner, Preview } from '../../core/ports.js';
import type { DependentCounts } from '../../core/run.js';
import type { Counted } from '../preview/counted.js';
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
import { countedDependents } from './preview/parts.js';
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
          const counted = await count(session, looked, sizes, until);
          const { bytes, logBytes } = bytesOf(sizes, policy.mapping, counted.messages, counted.dependents);
          const dryRun: DryRun = {
            ...counted,
            bytes,
            logBytes,
            seconds: Math.ceil(counted.messages / Math.max(1, rowsPerSecond)),
            walk: plan.walk,
            foreignKeys: plan.foreignKeys,
            why: plan.why,
            missingIndex: await missingIndex(session, policy),
            horizon: plan.horizon,
          };
          return dryRun;
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

/** Exact where there is time for it: three fifths of it for the messages, half of the rest for what goes with them. */
async function count(session: Session, looked: LookedAt, sizes: Sizes, until: number): Promise<Counted> {
  const left = (): number => until - performance.now();
  const messages = await exactMessages(session, looked, left() * 0.6);
  if (messages !== null) {
    const dependents = await exactDependents(session, looked, left() * 0.5);
    const sample = (await exactSample(session, looked, left() * 0.3)) ?? [];
    if (dependents !== null) return { ...messages, sample, dependents, exact: true };
    const found = await slices(session, looked, sizes, until);
    const ratio = found === null || found.messages === 0 ? null : messages.messages / found.messages;
    return {
      ...messages,
      sample: sample.length > 0 ? sample : (found?.sample ?? []),
      dependents:
        found === null || ratio === null
          ? byStatistics(looked.policy, sizes, messages.messages)
          : multiplied(found.dependents, ratio),
      exact: false,
    };
  }
  return (await slices(session, looked, sizes, until)) ?? guessed(session, looked, sizes);
}

async function slices(
  session: Session,
  looked: LookedAt,
  sizes: Sizes,
  until: number,
): Promise<Counted | null> {
  const { keyIndex, tableRows } = looked;
  const options = { looked, keyIndex, tableRows };
  const whole = countedDependents(looked.policy.mapping).length > 0;
  const half = whole ? performance.now() + (until - performance.now()) * 0.6 : until;
  const found = await countSlices(session, { ...options, until: half, withDependents: whole });
  if (found !== null || !whole) return found;
  const bare = await countSlices(session, { ...options, until, withDependents: false });
  if (bare === null) return null;
  return { ...bare, dependents: byStatistics(looked.policy, sizes, bare.messages) };
}

/** As many for each message as the tables have on average. */
function byStatistics({ mapping }: Policy, { tables }: Sizes, messages: number): DependentCounts {
  const all = Math.max(1, tables.get(nameOf(mapping.table))?.rows ?? 1);
  return Object.fromEntries(
    countedDependents(mapping).map(({ dependent }) => {
      const rows = tables.get(nameOf(dependent.table))?.rows ?? 0;
      return [nameOf(dependent.table), Math.round((rows / all) * messages)];
    }),
  );
}

function multiplied(counts: DependentCounts, factor: number): DependentCounts {
  return Object.fromEntries(Object.entries(counts).map(([name, n]) => [name, Math.round(n * factor)]));
}

/** Nothing could be counted in time: what the server's planner guesses. */
async function guessed(
  session: Session,
  { policy, horizon, tableRows }: LookedAt,
  sizes: Sizes,
): Promise<Counted> {
  const rows = await session.rows<{ rows: number | null; filtered?: number | string | null }>(
    `EXPLAIN EXTENDED SELECT 1 FROM ${quotedTable(policy.mapping.table)} AS m WHERE ${eligibleSql(policy, horizon)}`.replace(
      'EXTENDED ',
      session.can.engine === 'mariadb' ? 'EXTENDED ' : '',
    ),
  );
  const share = Number(rows[0]?.filtered ?? 100) / 100;
  const messages = Math.min(tableRows, Math.round(Number(rows[0]?.rows ?? tableRows) * share));
  return {
    messages,
    held: Object.fromEntries(policy.mapping.holds.map(({ name }) => [name, 0])),
    dependents: byStatistics(policy, sizes, messages),
    oldest: null,
    newest: null,
    sample: [],
    exact: false,
  };
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
