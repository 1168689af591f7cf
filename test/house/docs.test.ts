import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { generatedParts, renewed, schemaFile } from '../../scripts/docs.mjs';
import { mappingSchema } from '../../src/config/mapping-schema.js';
import { options } from '../../src/config/options.js';
import { meterNames } from '../../src/metrics/meter-table.js';
import { keyFaults } from './docs-examples.js';
import { factsOfSources, found, sorted, textOfSources } from './docs-facts.js';
import {
  anchorOf,
  brokenLinks,
  firstCells,
  jsonBlocks,
  missingPaths,
  pages,
  pageText,
  prose,
  root,
  section,
} from './docs-pages.js';
import { sourceFiles } from './source-files.js';

const all = pages();
const parts = generatedParts(await factsOfSources());

describe('the pages', () => {
  it('hold the generated parts as the code makes them now (npm run docs writes them)', () => {
    const stale = all.filter(({ text }) => renewed(text, parts) !== text).map(({ path }) => path);
    expect(stale).toEqual([]);
  });

  it('publish the schema of the mapping file that the code checks against', () => {
    expect(pageText('docs/message-gc.schema.json')).toBe(schemaFile(mappingSchema));
  });

  it('hold every generated part in one place', () => {
    const placed = all.flatMap(({ text }) => found(text, /<!-- generated: (.+?) -->/g));
    expect([...placed].sort()).toEqual([...parts.keys()].sort());
  });

  it('link to pages, files and headings that are there', () => {
    expect(all.flatMap(brokenLinks)).toEqual([]);
  });

  it('name files and folders that are there', () => {
    expect(all.flatMap(missingPaths)).toEqual([]);
  });

  it('are there where the code names them', () => {
    const named = sourceFiles('src').map(({ path, text }) => ({
      path,
      text: found(text, /\bdocs\/[\w/-]+\.md\b/g).join(' '),
    }));
    expect(named.some(({ text }) => text !== '')).toBe(true);
    expect(named.flatMap(missingPaths)).toEqual([]);
  });

  it('name scripts that package.json has', () => {
    const scripts = Object.keys(packageJson.scripts);
    const named = all.flatMap(({ text }) => found(text, /\bnpm run (?:-s |--silent )?([\w-]+)/g));
    expect(sorted(named).filter((name) => !scripts.includes(name))).toEqual([]);
  });

  it('name variables of the environment that the code reads, and those apart that it does not read yet', () => {
    const variable = /\b(?:MESSAGE_GC|WA|TEST)_[A-Z][A-Z_]*[A-Z]\b/g;
    const ofTests = ['MESSAGE_GC_KILL_ROUNDS_PER_POINT', 'TEST_POSTGRES_URL'];
    const read: readonly string[] = Object.values(options).map(({ env }) => env);
    const unread = found(section(pageText('docs/configuration.md'), '### Not read yet'), variable);
    expect(unread.length).toBeGreaterThan(0);
    expect(unread.filter((name) => read.includes(name))).toEqual([]);
    const named = all.flatMap(({ text }) => found(text, variable));
    expect(named.length).toBeGreaterThan(10);
    expect(sorted(named).filter((name) => ![...read, ...unread, ...ofTests].includes(name))).toEqual([]);
  });

  it('name meters that exist', () => {
    const lines = meterNames.flatMap((name) => [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]);
    const pattern = /`((?:message_gc_[a-z_]+|web_[a-z_]+|api_requests_[a-z_]+))(?:\{[^`]*)?`/g;
    const named = all.flatMap(({ text }) => found(prose(text), pattern));
    expect(named.length).toBeGreaterThan(10);
    expect(sorted(named).filter((name) => !lines.includes(name))).toEqual([]);
  });

  it('leave nothing to be filled in', () => {
    const left = all.flatMap(({ path, text }) =>
      found(text, /\b(?:TODO|TBD|FIXME|XXX)\b|@@\w*/g).map((words) => `${path}: ${words}`),
    );
    expect(left).toEqual([]);
  });
});

describe('the other pages', () => {
  it('hold JSON that can be parsed', () => {
    for (const { path, text } of all) {
      for (const { json } of jsonBlocks(text))
        expect(() => JSON.parse(json) as unknown, `${path}: ${json}`).not.toThrow();
    }
  });

  it('name the transactions that the code names', () => {
    const inCode = found(textOfSources('src/'), /\b(T\d{1,2})\b/g);
    const inTable = found(pageText('docs/exactness.md'), /^\| \**(T\d{1,2})\** \|/gm);
    expect(sorted(inTable)).toEqual(sorted(inCode));
  });

  it('list every room, in the order of their storeys', () => {
    const rooms = readdirSync(join(root, 'src'));
    const table = found(section(pageText('docs/architecture.md'), '## Rooms'), /^\| \d \| `src\/(\w+)`/gm);
    expect(sorted(table)).toEqual(sorted(rooms));
  });

  it('have a decision record for each choice, numbered and with its three parts', () => {
    const records = all.filter(({ path }) => /^docs\/decisions\/\d/.test(path));
    expect(records.length).toBeGreaterThan(10);
    const index = pageText('docs/decisions/README.md');
    for (const [place, { path, text }] of records.entries()) {
      const number = String(place + 1).padStart(4, '0');
      const title = /^# (\d{4}) (.+)\n/.exec(text);
      expect([basename(path).slice(0, 4), title?.[1]], path).toEqual([number, number]);
      for (const part of ['Context', 'Decision', 'Consequences'])
        expect(text, path).toContain(`\n**${part}.** `);
      expect(index).toContain(`| [${number}](${basename(path)}) | ${title?.[2]} |`);
    }
  });

  it('give a reason for every production dependency, and say which are used', () => {
    const text = pageText('docs/decisions/0001-dependencies-and-pins.md');
    const [used = '', unused = ''] = text.split('Declared and not used yet:');
    const imported = found(
      `${textOfSources('src/')}${readFileSync(join(root, 'scripts/pglite-template.mjs'), 'utf8')}`,
      /from '((?:@[\w-]+\/)?[a-z][\w-]*)(?:\/[\w/-]+)?'/g,
    );
    expect(sorted(firstCells(used))).toEqual(sorted(imported));
    expect(sorted([...firstCells(used), ...firstCells(unused)])).toEqual(
      sorted(Object.keys(packageJson.dependencies)),
    );
  });
});

describe('the test of the pages', () => {
  const broken = (text: string) => ({ path: 'docs/api.md', text });

  it('is red for a generated part that is stale, unknown or not closed', () => {
    const stale = '<!-- generated: meters -->\n| old |\n<!-- end: meters -->';
    expect(renewed(stale, parts)).not.toBe(stale);
    expect(() => renewed('<!-- generated: metres -->\n<!-- end: metres -->', parts)).toThrow('metres');
    expect(() => renewed('<!-- generated: meters -->\n<!-- end: options -->', parts)).toThrow('options');
  });

  it.each(['[x](nowhere.md)', '[x](commands.md#no-such-heading)', '[x](#no-such-heading)'])(
    'is red for %s',
    (link) => {
      expect(brokenLinks(broken(`# Heading\n${link}`))).toHaveLength(1);
    },
  );

  it('is green for links that lead somewhere', () => {
    const links =
      '[a](commands.md) [b](api.md#http-api) [c](../README.md) [d](https://example.org/x) [e](decisions/README.md)';
    expect(brokenLinks(broken(links))).toEqual([]);
  });

  it('is red for a file that is not there', () => {
    expect(missingPaths(broken('See `src/core/nothing.ts` and `src/core/run.ts`.'))).toEqual([
      'docs/api.md: src/core/nothing.ts',
    ]);
  });

  it('makes anchors as the web does', () => {
    expect(anchorOf('`GET /v1/services/message/gc/:id`')).toBe('get-v1servicesmessagegcid');
    expect(anchorOf('Foreign keys: messages first')).toBe('foreign-keys-messages-first');
  });

  it.each([
    ['a missing key', { status: 'alive' }, {}, '.status is missing'],
    ['a key too many', {}, { node: 1 }, '.node does not exist'],
    ['a list in the place of an object', { a: { b: 1 } }, { a: [1] }, '.a is another kind of value'],
    ['a fault inside of a list', { a: [{ b: 1 }] }, { a: [{ b: 1 }, {}] }, '.a[].b is missing'],
    [
      'a fault below keys that are data',
      { nodes: { x: { b: 1 } } },
      { nodes: { y: {} } },
      '.nodes.y.b is missing',
    ],
  ])('is red for %s', (_words, made, shown, fault) => {
    expect(keyFaults(shown, made)).toEqual([fault]);
  });
});
