/**
 * Somebody else's store on MariaDB, collected as its operator would: the preset's own file with the retention filled
 * in, by the built commands. The oracle asks on a connection of its own, in SQL that knows nothing of the preset.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { presetNamed } from '../../src/cli/preset-files.js';
import { createMariadbDatabase, type MariadbClient, mariadbClient } from '../harness/mariadb-database.js';
import { runCommand } from '../harness/processes.js';

export type Finding = { readonly level: string; readonly check: string; readonly found: string };

type Told = { readonly messages: number; readonly dependents: Readonly<Record<string, number>> };

/** Which rows of a table go: a condition over alias `x`. */
export type Expected = Readonly<Record<string, string>>;

export type PresetWorld = {
  readonly client: MariadbClient;
  count(sql: string): Promise<number>;
  findings(): Promise<readonly Finding[]>;
  /** `plan`, then `gc`: what goes is what `expected` says, by key, and all that stays is as it was. */
  expectCollected(messages: string, expected: Expected): Promise<void>;
};

/** @param change what the operator edits in the file beside the retention */
export async function presetWorld(
  preset: string,
  fixture: readonly string[],
  change: (text: string) => string = (text) => text,
): Promise<PresetWorld> {
  const database = await createMariadbDatabase();
  onTestFinished(() => database.drop());
  const client = await mariadbClient(database.url);
  onTestFinished(() => client.end());
  for (const statement of fixture) await client.query(statement);
  const folder = await mkdtemp(join(tmpdir(), 'mgc-preset-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'message-gc.yaml');
  const text = presetNamed(preset).text.replace(/^( +retention:)$/m, '$1 90d');
  expect(text).toContain('retention: 90d');
  await writeFile(file, change(text));
  const env = {
    DATABASE_URL: database.url,
    MESSAGE_GC_CONFIG: file,
    MESSAGE_GC_PROFILE: 'full',
    MESSAGE_GC_DATA: folder,
  };
  const command = async (words: string): Promise<unknown> => {
    const { code, stdout, stderr } = await runCommand(words.split(' '), env);
    expect({ code, words, errors: code === 0 ? '' : `${stdout}\n${stderr}` }).toEqual({
      code: 0,
      words,
      errors: '',
    });
    return JSON.parse(stdout) as unknown;
  };
  // A first look comes before anything of ours is made, and makes nothing.
  await command('plan --json');
  expect((await client.query("SHOW TABLES LIKE 'message\\_gc\\_%'")).rows).toEqual([]);
  const migrated = await runCommand(['migrate'], env);
  expect(migrated, migrated.stderr).toMatchObject({ code: 0 });
  const count = async (sql: string): Promise<number> => {
    const { rows } = await client.query(sql);
    return Number(Object.values((rows as Record<string, unknown>[])[0] ?? {})[0]);
  };
  const keys = async (sql: string): Promise<ReadonlySet<string>> => {
    const { rows } = await client.query(sql);
    return new Set((rows as { id: string | number }[]).map(({ id }) => String(id)));
  };
  const tables = await keys(
    `SELECT TABLE_NAME AS id FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME NOT LIKE 'message\\_gc\\_%'`,
  );
  /** Every value of every row that stays: of all tables, also those that no mapping names. */
  const checksums = async (where: (table: string) => string): Promise<Readonly<Record<string, string>>> => {
    const sums: Record<string, string> = {};
    for (const table of tables) {
      const columns = await keys(
        `SELECT CONCAT('x.\`', COLUMN_NAME, '\`') AS id FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '${table}' ORDER BY ORDINAL_POSITION`,
      );
      const row = [...columns].map((column) => `QUOTE(${column})`).join(', ');
      const { rows } = await client.query(
        `SELECT CONCAT(count(*), ' ', coalesce(BIT_XOR(CONV(LEFT(SHA2(CONCAT_WS(',', ${row}), 256), 16), 16, 10)), 0)) AS id FROM \`${table}\` x WHERE ${where(table)}`,
      );
      sums[table] = (rows as { id: string }[])[0]?.id ?? '';
    }
    return sums;
  };
  return {
    client,
    count,
    async findings() {
      return ((await command('doctor --json')) as { findings: readonly Finding[] }).findings;
    },
    async expectCollected(messages, expected) {
      const going: Record<string, ReadonlySet<string>> = {};
      const before: Record<string, ReadonlySet<string>> = {};
      for (const [table, where] of Object.entries(expected)) {
        before[table] = await keys(`SELECT id FROM \`${table}\``);
        going[table] = await keys(`SELECT x.id FROM \`${table}\` x WHERE ${where}`);
        expect(going[table]?.size, `rows of ${table} that go`).toBeGreaterThan(100);
        expect(going[table]?.size, `rows of ${table} that go`).toBeLessThan(before[table]?.size ?? 0);
      }
      const staying = await checksums((table) => `(${expected[table] ?? 'false'}) IS NOT TRUE`);
      const sizes = Object.fromEntries(Object.entries(going).map(([table, those]) => [table, those.size]));
      const { [messages]: size, ...dependents } = sizes;

      const { services } = (await command('plan --json')) as {
        services: { message: { gc: { dry_run: Told & { exact: boolean } } } };
      };
      expect(services.message.gc.dry_run).toMatchObject({ messages: size, dependents, exact: true });

      const { run, outcome } = (await command('gc --yes --json')) as { run: object; outcome: string };
      expect(outcome).toBe('complete');
      expect(run).toMatchObject({ messages_deleted: size, dependents_deleted: dependents });

      for (const [table, those] of Object.entries(going)) {
        const left = await keys(`SELECT id FROM \`${table}\``);
        const gone = new Set([...(before[table] ?? [])].filter((key) => !left.has(key)));
        expect(gone, `keys of ${table} that are gone`).toEqual(those);
      }
      expect(await checksums(() => 'true')).toEqual(staying);
    },
  };
}
