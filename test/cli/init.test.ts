import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { prepareOrRefuse } from '../../src/app/store-keeper.js';
import { ownMapping } from '../../src/core/mapping.js';
import type { EngineFacts, Store } from '../../src/core/ports.js';
import { type CommandResult, runCommand } from '../harness/processes.js';

// Each test starts processes of its own; on a machine that is busy with others that takes its time.
vi.setConfig({ testTimeout: 120_000 });

function place(): string {
  const folder = mkdtempSync(join(tmpdir(), 'message-gc-init-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'message-gc.yaml');
}

function command(
  words: string,
  file: string,
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  return runCommand(words.split(' '), { MESSAGE_GC_CONFIG: file, ...env });
}

const said = ({ stdout, stderr }: CommandResult): string => `${stdout}\n${stderr}`;
const fillIn = (file: string): void =>
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^( +retention:)$/m, '$1 90d'));

test('init writes a preset, config refuses it until its retention is filled in, and then shows what it means', async () => {
  const file = place();
  const written = await command('init --preset chatwoot', file);
  expect(written.code, said(written)).toBe(0);
  expect(written.stdout).toContain(`wrote ${file}`);
  const env = { DATABASE_URL: 'postgres://gc:TopSecret-99@db.example/chatwoot' };
  const empty = await command('config', file, env);
  expect(empty.code, said(empty)).toBe(2);
  expect(empty.stderr).toMatch(/message-gc\.yaml:\d+: retention is empty, expected how long to keep/);
  fillIn(file);
  const filled = await command('config', file, env);
  expect(filled.code, said(filled)).toBe(0);
  expect(filled.stdout).toContain('database: postgres://gc@db.example/chatwoot');
  expect(filled.stdout).toMatch(/table +public\.messages, key id\n/);
  expect(filled.stdout).toMatch(/retention +90d\n/);
  expect(filled.stdout).toMatch(/dependents +public\.attachments \(message_id = id\): delete\n/);
  expect(said(filled)).not.toContain('TopSecret-99');
  const json = JSON.parse((await command('config --json', file, env)).stdout) as object;
  expect(json).toMatchObject({
    mapping_file: file,
    retention_seconds: 90 * 86_400,
    mapping: { store: 'chatwoot', foreignKeys: 'checked' },
  });
});

test('init lets a file that is there stand, unless it is told to write over it', async () => {
  const file = place();
  writeFileSync(file, 'mine');
  const refused = await command('init --preset glific', file);
  expect(refused.code, said(refused)).toBe(3);
  expect(refused.stderr).toContain('--force');
  expect(readFileSync(file, 'utf8')).toBe('mine');
  expect((await command('init --force', file)).code).toBe(0);
  expect(readFileSync(file, 'utf8')).toContain('name: my-store');
  const other = join(file, '..', 'other.yaml');
  const json = await command(`init --preset glific --output ${other} --json`, file);
  expect(JSON.parse(json.stdout)).toEqual({ written: other, preset: 'glific' });
  expect(readFileSync(other, 'utf8')).toContain('name: glific');
});

test('init lists the presets, and knows the nearest of a misspelt one', async () => {
  const list = await command('init --list', place());
  expect(list.stdout).toMatch(/^evolution-api +evolution-api 2\.x on PostgreSQL/m);
  expect(list.stdout.trim().split('\n')).toHaveLength(6);
  const file = place();
  const unknown = await command('init --preset chatwot', file);
  expect(unknown.code, said(unknown)).toBe(2);
  expect(unknown.stderr).toContain('did you mean "chatwoot"?');
  expect(() => readFileSync(file)).toThrow('ENOENT');
});

test('config --schema prints the published schema, also beside a file that cannot be used', async () => {
  const file = place();
  writeFileSync(file, 'stores: 7');
  const printed = await command('config --schema', file);
  expect(printed.code, said(printed)).toBe(0);
  expect(printed.stdout).toBe(readFileSync('docs/message-gc.schema.json', 'utf8'));
});

test('seed refuses a mapped table, and the demo has a world of its own', async () => {
  const file = place();
  await command('init --preset waha-gows', file);
  fillIn(file);
  const seeded = await command('seed --rows 10', file, { DATABASE_URL: 'postgres://gc@127.0.0.1:1/none' });
  expect(seeded.code, said(seeded)).toBe(3);
  expect(seeded.stderr).toContain('maps the table gows_messages');
  writeFileSync(file, 'stores: 7');
  const demo = await command('demo --rows 300 --json', file);
  expect(demo.code, said(demo)).toBe(0);
  expect(JSON.parse(demo.stdout)).toMatchObject({ agree: true, before: { messages: 300 } });
});

test('a store is prepared with our own tables exactly when no mapping is configured', async () => {
  const asked: object[] = [];
  const store = {
    prepare: async (options: object) => {
      asked.push(options);
      return { engine: 'memory' } as EngineFacts;
    },
  } as unknown as Store;
  const database = { engine: 'pglite', folder: '', where: '' } as const;
  await prepareOrRefuse(store, { database, mapping: null }, true);
  await prepareOrRefuse(store, { database, mapping: { ...ownMapping, store: 'mine' } }, false);
  expect(asked).toEqual([
    { migrate: true, ownTables: true, needsLedger: true },
    { migrate: false, ownTables: false, needsLedger: true },
  ]);
});
