import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Command } from 'commander';
import { type DocumentedFacts, routesOf } from '../../scripts/docs.mjs';
import { mappingSchema } from '../../src/config/mapping-schema.js';
import { options } from '../../src/config/options.js';
import { defaultSettings } from '../../src/core/settings.js';
import { signalRules } from '../../src/core/signals.js';
import { meterTable } from '../../src/metrics/meter-table.js';
import { errorCodes } from '../../src/wire/error-envelope.js';
import { settingTable } from '../../src/wire/setting-table.js';
import { root } from './docs-pages.js';
import { sourceFiles } from './source-files.js';

const sources = sourceFiles('src');

/** The text of all sources whose path begins so. */
export function textOfSources(beginning: string): string {
  return sources
    .filter(({ path }) => path.startsWith(beginning))
    .map(({ text }) => text)
    .join('\n');
}

/** What a pattern finds, each once: its first group, or the whole. */
export function found(text: string, pattern: RegExp): readonly string[] {
  return [...new Set([...text.matchAll(pattern)].map((match) => match[1] ?? match[0]))];
}

export function sorted(names: Iterable<string>): readonly string[] {
  return [...new Set(names)].sort();
}

/** The tables of the code from which parts of the pages are made; scripts/docs.mjs takes the same from the build. */
export async function factsOfSources(): Promise<DocumentedFacts> {
  const program = new Command('message-gc');
  for (const module of await modulesIn('src/cli/commands')) {
    (module as { register: (program: Command) => void }).register(program);
  }
  return {
    options,
    mappingSchema,
    settings: settingTable,
    defaultSettings,
    signals: signalRules,
    meters: meterTable,
    errors: errorCodes,
    routes: routesOf(await modulesIn('src/webapp/routes')),
    commands: program.commands,
  };
}

async function modulesIn(folder: string): Promise<readonly object[]> {
  const files = readdirSync(join(root, folder)).filter((name) => name.endsWith('.ts'));
  return Promise.all(
    files
      .sort()
      .map(
        (name) => import(/* @vite-ignore */ pathToFileURL(join(root, folder, name)).href) as Promise<object>,
      ),
  );
}
