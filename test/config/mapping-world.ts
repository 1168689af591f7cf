import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Environment } from '../../src/config/environment.js';
import { type Config, readConfig } from '../../src/config/read-config.js';
import { Refusal } from '../../src/core/errors.js';

/** A store that is right; tests put one thing wrong. */
export const goodStore = `
  - name: chat
    table: public.messages
    key: [id]
    age: {column: created_at, unit: timestamptz}
    retention: 30d
    processed:
      where: m.status = 'done'`;

export const postgres = { DATABASE_URL: 'postgres://gc:s3cret@db/chat' } as const;

/** Writes `stores:` with these lines below it, and gives its path. */
export function mappingFile(stores: string): string {
  return textFile(`stores:${stores}\n`);
}

export function textFile(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'message-gc-mapping-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'message-gc.yaml');
  writeFileSync(path, text);
  return path;
}

export function configOf(stores: string, env: Environment = postgres): Config {
  return readConfig({ ...env, MESSAGE_GC_CONFIG: mappingFile(stores) });
}

/** The problems, each as `LINE: words`; fails when nothing is refused. */
export function problemsOf(stores: string, env: Environment = postgres): readonly string[] {
  return refusedLines({ ...env, MESSAGE_GC_CONFIG: mappingFile(stores) });
}

export function refusedLines(env: Environment): readonly string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (!(error instanceof Refusal) || error.reason !== 'configuration') throw error;
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.replace(/^ {2}- (?:\S*message-gc\.yaml:)?/, ''));
  }
  throw new Error('nothing was refused');
}
