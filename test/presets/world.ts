/**
 * A store as a gateway would have made it, on a scratch database of PostgreSQL, with a preset beside it in which the
 * operator has filled in the retention; and an oracle that says before the run which rows every table must hold after it.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, onTestFinished } from 'vitest';
import type { Finding } from '../../src/core/ports.js';
import type { DryRunReply } from '../../src/wire/dry-run-reply.js';
import { type CommandResult, type Environment, runCommand } from '../harness/processes.js';
import { createScratchDatabase } from '../harness/scratch-database.js';

/** The fixtures place every age half an hour beside a whole number of hours before now: none crosses the horizon meanwhile. */
export const retention = '90d';

/** Checks of the server, whatever is in it: the one that the tests are given may be set up in any way. */
const ofServer = ['server_version', 'deadlock_timeout', 'autovacuum'];

export type Fixture = {
  /** File name without its ending. */
  readonly preset: string;
  /** Tables, keys, foreign keys and rows. */
  readonly sql: string;
  /** Key as text of each message that must go: the oracle's own words, not those of the preset. */
  readonly victims: string;
  /** All keys of the messages table as text. */
  readonly keys: string;
  /**
   * For each table, quoted as needed, the rows that must be there after the run, over `victims (id)`; null: all of its
   * rows, unchanged.
   */
  readonly after: Readonly<Record<string, string | null>>;
};

type Expected = {
  readonly gone: ReadonlySet<string>;
  readonly before: ReadonlySet<string>;
  readonly checksums: Readonly<Record<string, string>>;
};

type Row = Readonly<Record<string, string | number | null>>;
type RunShape = {
  readonly messages_deleted: number;
  readonly dependents_deleted: Readonly<Record<string, number>>;
};

export class PresetWorld {
  readonly #asker: pg.Client;
  readonly #fixture: Fixture;
  readonly #env: Environment;
  #firstLook: CommandResult | null = null;

  private constructor(asker: pg.Client, fixture: Fixture, env: Environment) {
    this.#asker = asker;
    this.#fixture = fixture;
    this.#env = env;
  }

  /** @param edit what the operator changes in the preset beside its retention */
  static async open(fixture: Fixture, edit = (text: string): string => text): Promise<PresetWorld> {
    const database = await createScratchDatabase();
    onTestFinished(() => database.drop());
    const asker = new pg.Client({ connectionString: database.url, application_name: 'oracle' });
    await asker.connect();
    onTestFinished(() => asker.end());
    await asker.query("SET TIME ZONE 'UTC'");
    await asker.query(fixture.sql);
    await asker.query('ANALYZE');
    const folder = mkdtempSync(join(tmpdir(), 'message-gc-preset-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'message-gc.yaml');
    writeFileSync(file, edit(filledIn(fixture.preset)));
    const world = new PresetWorld(asker, fixture, { MESSAGE_GC_CONFIG: file, DATABASE_URL: database.url });
    await world.#expectEveryTable();
    // A first look comes before anything of ours is made, and makes nothing.
    world.#firstLook = await world.command('plan --json');
    expect(await world.ask("SELECT FROM pg_namespace WHERE nspname = 'message_gc'")).toEqual([]);
    const migrated = await world.command('migrate');
    expect(migrated.code, said(migrated)).toBe(0);
    return world;
  }

  command(words: string): Promise<CommandResult> {
    return runCommand(words.split(' '), this.#env, 120_000);
  }

  /** What `plan --json` said of the database as the gateway made it, before `migrate`. */
  get firstLook(): CommandResult {
    if (this.#firstLook === null) throw new Error('nobody has looked yet');
    return this.#firstLook;
  }

  async ask(sql: string): Promise<readonly Row[]> {
    return (await this.#asker.query<Row>(sql)).rows;
  }

  /** Each trap must be there, else the test says nothing of it: a condition over the tables and `victims (id)`. */
  async expectSprung(traps: Readonly<Record<string, string>>): Promise<void> {
    for (const [words, sql] of Object.entries(traps)) {
      const [row] = await this.ask(`${this.#victims()} SELECT count(*)::int AS n FROM (${sql}) AS trap`);
      expect(row?.['n'], `rows for the trap "${words}"`).toBeGreaterThan(0);
    }
  }

  /** What the doctor says of the tables, without what is well. Fails when it finds an error. */
  async findings(): Promise<readonly Finding[]> {
    const result = await this.command('doctor --json');
    expect(result.code, said(result)).toBe(0);
    const { findings } = JSON.parse(result.stdout) as { findings: readonly Finding[] };
    expect(findings.filter(({ level }) => level === 'error')).toEqual([]);
    return findings.filter(({ level, check }) => level !== 'ok' && !ofServer.includes(check));
  }

  /**
   * Foretells, collects, and compares every row of every table with what the oracle expected.
   *
   * @param dependents by table, the rows that go along or are cleared: foretold, and told by the run
   * @param seen by table, where the run tells more than that: what the oracle saw happen, asked after the run
   */
  async expectCollected(
    dependents: Readonly<Record<string, string>>,
    seen: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const expected = await this.#expectation();
    const along = await this.#numbers(dependents);
    expect(expected.gone.size).toBeGreaterThan(0);
    expect(await this.#foretold()).toEqual({ messages: expected.gone.size, dependents: along });
    const run = await this.#run();
    const now = await this.#keys(this.#fixture.keys);
    const kept = [...expected.gone].filter((key) => now.has(key));
    const lost = [...expected.before].filter((key) => !now.has(key) && !expected.gone.has(key));
    expect({ kept, lost }).toEqual({ kept: [], lost: [] });
    expect(run.messages_deleted).toBe(expected.gone.size);
    expect(run.dependents_deleted).toEqual({ ...along, ...(await this.#numbers(seen)) });
    expect(await this.#checksums((table) => `TABLE ${table}`)).toEqual(expected.checksums);
    // What is left is not eligible: a second run finds nothing, and changes nothing.
    expect((await this.#run()).messages_deleted).toBe(0);
    expect(await this.#checksums((table) => `TABLE ${table}`)).toEqual(expected.checksums);
  }

  async #foretold(): Promise<{ messages: number; dependents: Readonly<Record<string, number>> }> {
    const planned = await this.command('plan --json');
    expect(planned.code, said(planned)).toBe(0);
    const told = (JSON.parse(planned.stdout) as DryRunReply).services.message.gc.dry_run;
    expect(told.exact).toBe(true);
    return { messages: told.messages, dependents: told.dependents };
  }

  async #run(): Promise<RunShape> {
    const collected = await this.command('gc --yes --json');
    expect(collected.code, said(collected)).toBe(0);
    return (JSON.parse(collected.stdout) as { run: RunShape }).run;
  }

  async #expectation(): Promise<Expected> {
    return {
      before: await this.#keys(this.#fixture.keys),
      gone: await this.#keys(this.#fixture.victims),
      checksums: await this.#checksums((table) => this.#fixture.after[table] ?? `TABLE ${table}`),
    };
  }

  async #numbers(queries: Readonly<Record<string, string>>): Promise<Readonly<Record<string, number>>> {
    const numbers: Record<string, number> = {};
    for (const [name, sql] of Object.entries(queries)) {
      const [row] = await this.ask(`${this.#victims()} SELECT count(*)::int AS n FROM (${sql}) AS goes`);
      numbers[name] = Number(row?.['n']);
    }
    return numbers;
  }

  /** Number and md5 of the rows of each table, in an order of their own. */
  async #checksums(rowsOf: (table: string) => string): Promise<Readonly<Record<string, string>>> {
    const sums: Record<string, string> = {};
    for (const table of Object.keys(this.#fixture.after)) {
      const [row] = await this.ask(`${this.#victims()} SELECT count(*) || ' rows, md5 ' ||
        md5(coalesce(string_agg(r::text, chr(10) ORDER BY r::text COLLATE "C"), '')) AS sum FROM (${rowsOf(table)}) AS r`);
      sums[table] = String(row?.['sum']);
    }
    return sums;
  }

  /** A table that the fixture makes and forgets here would be one that nobody watches. */
  async #expectEveryTable(): Promise<void> {
    const made = await this.ask(
      "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'",
    );
    const named = made.map(({ name }) => String(name));
    expect(named.sort()).toEqual(Object.keys(this.#fixture.after).sort());
  }

  #victims(): string {
    return `WITH victims (id) AS (${this.#fixture.victims})`;
  }

  async #keys(sql: string): Promise<ReadonlySet<string>> {
    const { rows } = await this.#asker.query<string[]>({ text: sql, rowMode: 'array' });
    return new Set(rows.map(([key]) => String(key)));
  }
}

/** The preset of that name, with nothing changed but its retention. */
function filledIn(preset: string): string {
  const text = readFileSync(new URL(`../../presets/${preset}.yaml`, import.meta.url), 'utf8');
  expect(text).toMatch(/^ +retention:$/m);
  return text.replace(/^( +retention:)$/m, `$1 ${retention}`);
}

/** `check` and level of each finding, and its words and advice, to be matched. */
export function wordsOf(findings: readonly Finding[]): readonly string[] {
  return findings.map(({ level, check, found, todo }) => `${level} ${check}: ${found} → ${todo ?? ''}`);
}

function said({ code, stdout, stderr }: CommandResult): string {
  return `exit ${code}\n${stdout}\n${stderr}`;
}
