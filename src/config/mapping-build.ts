import type { AgeUnit, Dependent, DependentAction, Mapping, TableName } from '../core/mapping.js';
import { zoneOf } from './age-zone.js';
import { holdNames, isOn, tableOf } from './mapping-rules.js';

/** An entry of `stores:` that has passed the schema (mapping-schema.ts) and its rules (mapping-rules.ts). */
export type StoreEntry = {
  readonly name?: string;
  readonly store?: string;
  readonly url?: string;
  readonly table: TableText;
  readonly key: readonly (string | { readonly column: string })[];
  readonly age: { readonly column: string; readonly unit: string; readonly zone?: string };
  readonly processed: {
    readonly where?: string;
    readonly legacy?: RuleEntry;
    readonly stale?: RuleEntry;
  };
  readonly hold?: readonly (RuleEntry & { readonly name?: string })[];
  readonly hold_list?: { readonly contact: string };
  readonly dependents?: readonly DependentEntry[];
  readonly foreign_keys?: Mapping['foreignKeys'];
  readonly walk?: 'auto' | 'key' | 'age' | 'blocks';
};
type TableText = string | { readonly schema?: string; readonly name: string };
type RuleEntry = { readonly where: string; readonly off_by_default?: boolean };
type DependentEntry = {
  readonly table: TableText;
  readonly match: Readonly<Record<string, string>>;
  readonly action: DependentAction;
  readonly order?: number;
  readonly off_by_default?: boolean;
  readonly dependents?: readonly DependentEntry[];
};

export function mappingOf(entry: StoreEntry): Mapping {
  const { age, walk } = entry;
  const names = holdNames(entry.hold ?? []);
  return {
    store: entry.name ?? entry.store ?? '',
    table: tableNamed(entry.table),
    key: entry.key.map((column) => (typeof column === 'string' ? column : column.column)),
    age: { column: age.column, unit: unitOf(age.unit), zone: zoneFor(age.zone) },
    processed: processedOf(entry.processed),
    holds: (entry.hold ?? [])
      .map((hold, place) => ({ name: names[place] ?? '', where: hold.where.trim(), isOn: isOn(hold) }))
      .filter((hold) => hold.isOn)
      .map(({ name, where }) => ({ name, where })),
    holdList: entry.hold_list === undefined ? null : { contact: entry.hold_list.contact },
    dependents: dependentsOf(entry.dependents ?? []),
    foreignKeys: entry.foreign_keys ?? 'checked',
    walk: walk === undefined || walk === 'auto' ? null : walk,
  };
}

function tableNamed(table: TableText): TableName {
  return typeof table === 'string' ? tableOf(table) : { schema: table.schema ?? null, name: table.name };
}

/** `timestamp` is PostgreSQL's word for what `datetime` is in the code. */
function unitOf(unit: string): AgeUnit {
  return unit === 'timestamp' ? 'datetime' : (unit as AgeUnit);
}

function zoneFor(text: string | undefined): string | null {
  if (text === undefined) return null;
  const read = zoneOf(text);
  return 'zone' in read ? read.zone : null;
}

/** Each rule in parentheses of its own: an OR inside of one must not reach into the next. */
function processedOf({ where, legacy, stale }: StoreEntry['processed']): string {
  const rules = [{ where: where ?? 'true' }, legacy, stale]
    .filter((rule) => rule !== undefined && isOn(rule))
    .map((rule) => rule?.where.trim() ?? '');
  return rules.length === 1 ? (rules[0] ?? '') : rules.map((rule) => `(${rule})`).join(' OR ');
}

function dependentsOf(entries: readonly DependentEntry[]): readonly Dependent[] {
  const orderOf = ({ order }: DependentEntry): number => order ?? Number.POSITIVE_INFINITY;
  return [...entries]
    .filter(isOn)
    .sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : orderOf(a) > orderOf(b) ? 1 : 0))
    .map((entry) => ({
      table: tableNamed(entry.table),
      match: Object.entries(entry.match).map(([column, message]) => ({ column, message })),
      action: entry.action,
      ...(entry.dependents === undefined || entry.dependents.length === 0
        ? {}
        : { dependents: dependentsOf(entry.dependents) }),
    }));
}
