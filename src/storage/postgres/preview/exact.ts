import type { PoolClient } from 'pg';
import { nameOf, type TableName } from '../../../core/mapping.js';
import type { Policy } from '../../../core/policy.js';
import { isSameTable, type FlatDependent } from '../../checks/flat-dependents.js';
import { type Counted, sampleKeys } from '../../preview/counted.js';
import { eligibleSql } from '../eligible.js';
import { kindOf } from '../errors.js';
import { quoted, quotedTable } from '../names.js';
import { keyColumns, Parameters } from '../range.js';
import { countedDependents, momentFrom } from '../../preview/counted-dependents.js';
import { ageText, candidateSql, heldSql } from './parts.js';

/** Counts everything, within `limitMs` for each statement as `share` of what is left; null: there was not enough time. */
export class ExactCount {
  readonly #client: PoolClient;
  readonly #policy: Policy;
  readonly #horizon: string;

  constructor(client: PoolClient, policy: Policy, horizon: string) {
    this.#client = client;
    this.#policy = policy;
    this.#horizon = horizon;
  }

  async messages(limitMs: number): Promise<Omit<Counted, 'dependents' | 'exact'> | null> {
    const { mapping } = this.#policy;
    const parameters = new Parameters();
    const eligible = eligibleSql(this.#policy, this.#horizon, parameters);
    const age = `m.${quoted(mapping.age.column)}`;
    const holds = mapping.holds.map(
      ({ where }, place) =>
        `count(*) FILTER (WHERE ${heldSql(this.#policy, where, this.#horizon, parameters)}) AS h${place}`,
    );
    const rows = await this.#limited(
      limitMs,
      `SELECT ${[
        `count(*) FILTER (WHERE ${eligible}) AS messages`,
        `${ageText(mapping, `min(${age}) FILTER (WHERE ${eligible})`, parameters)} AS oldest`,
        `${ageText(mapping, `max(${age}) FILTER (WHERE ${eligible})`, parameters)} AS newest`,
        ...holds,
      ].join(', ')}
       FROM ${quotedTable(mapping.table)} m WHERE ${candidateSql(this.#policy, this.#horizon, parameters)}`,
      parameters.values,
    );
    const row = rows?.[0];
    if (row === undefined) return null;
    return {
      messages: Number(row['messages']),
      held: Object.fromEntries(mapping.holds.map(({ name }, place) => [name, Number(row[`h${place}`])])),
      oldest: momentFrom(mapping, row['oldest']),
      newest: momentFrom(mapping, row['newest']),
      sample: [],
    };
  }

  async sample(limitMs: number): Promise<Counted['sample'] | null> {
    const { mapping } = this.#policy;
    const parameters = new Parameters();
    const keys = keyColumns(mapping).map((column) => `${column}::text`);
    const rows = await this.#limited(
      limitMs,
      `SELECT json_build_array(${keys.join(', ')}) AS key FROM ${quotedTable(mapping.table)} m
       WHERE ${eligibleSql(this.#policy, this.#horizon, parameters)} LIMIT ${sampleKeys}`,
      parameters.values,
    );
    return rows?.map((row) => row['key'] as readonly string[]) ?? null;
  }

  /** Rows that go along, counted once each whatever number of messages they belong to. */
  async dependents(limitMs: number): Promise<Counted['dependents'] | null> {
    const until = performance.now() + limitMs;
    const counts: Record<string, number> = {};
    for (const one of countedDependents(this.#policy.mapping)) {
      const parameters = new Parameters();
      const { table } = one.dependent;
      const rows = await this.#limited(
        until - performance.now(),
        `SELECT count(*) AS n FROM ${quotedTable(table)} d${one.path.length - 1} WHERE ${this.#exists(one, parameters)}`,
        parameters.values,
      );
      if (rows === null) return null;
      counts[nameOf(table)] = (counts[nameOf(table)] ?? 0) + Number(rows[0]?.['n']);
    }
    return counts;
  }

  #exists(one: FlatDependent, parameters: Parameters): string {
    const { mapping } = this.#policy;
    const eligible = eligibleSql(this.#policy, this.#horizon, parameters);
    let condition = '';
    for (const [level, { match, table }] of one.path.entries()) {
      const above = level === 0 ? 'm' : `d${level - 1}`;
      const on = match.map(
        ({ column, message }) => `d${level}.${quoted(column)} = ${above}.${quoted(message)}`,
      );
      const parent: TableName = level === 0 ? mapping.table : (one.path[level - 1]?.table ?? table);
      const inner = level === 0 ? eligible : condition;
      condition = `EXISTS (SELECT 1 FROM ${quotedTable(parent)} ${above} WHERE ${[...on, inner].join(' AND ')})`;
    }
    if (!isSameTable(one.dependent.table, mapping.table)) return condition;
    // References of messages that stay; those of messages that go are gone with them.
    const last = `d${one.path.length - 1}`;
    const same = mapping.key.map((column) => `m.${quoted(column)} = ${last}.${quoted(column)}`);
    return `${condition} AND NOT EXISTS (SELECT 1 FROM ${quotedTable(mapping.table)} m WHERE ${[...same, eligible].join(' AND ')})`;
  }

  async #limited(
    limitMs: number,
    statement: string,
    values: readonly unknown[],
  ): Promise<readonly Record<string, unknown>[] | null> {
    if (limitMs < 1) return null;
    await this.#client.query('SAVEPOINT counting');
    await this.#client.query(`SET LOCAL statement_timeout = '${Math.floor(limitMs)}ms'`);
    try {
      const { rows } = await this.#client.query<Record<string, unknown>>(statement, [...values]);
      await this.#client.query('RELEASE SAVEPOINT counting');
      return rows;
    } catch (error) {
      if (kindOf(error).kind !== 'slow') throw error;
      await this.#client.query('ROLLBACK TO SAVEPOINT counting');
      return null;
    }
  }
}
