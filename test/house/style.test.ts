import { describe, expect, it } from 'vitest';
import { sourceFiles } from './source-files.js';
import { styleFaults, testFaults } from './style-rules.js';

describe('the house style', () => {
  it('is kept in src', () => {
    const files = sourceFiles('src');
    expect(files.length).toBeGreaterThan(10);
    expect(files.flatMap(styleFaults)).toEqual([]);
  });

  it.each(['test', 'bench', 'scripts', 'bin'])('is kept in %s', (folder) => {
    // The rules themselves name what they forbid.
    const files = sourceFiles(folder).filter(({ path }) => path !== 'test/house/style.test.ts');
    expect(files.flatMap(testFaults)).toEqual([]);
  });
});

describe('the test of the style', () => {
  it.each([
    ['src/core/a.ts', 'x\n'.repeat(401), '401 lines'],
    ['src/core/helpers/a.ts', '', 'a folder without a subject'],
    ['src/core/someFile.ts', '', 'kebab-case'],
    ['src/core/a.ts', 'export default function a() {}', 'a default export'],
    ['src/core/a.ts', 'const a = process.env.HOME;', 'process.env'],
    ['src/cli/commands/a.ts', 'const a = process.env.HOME;', 'process.env'],
    ['src/app/start.ts', 'process.exit(1);', 'process.exit'],
    ['src/webapp/a.ts', "process.on('SIGTERM', stop);", 'process.on'],
    ['src/coreapp/a.ts', 'const a = `SELECT id\n FROM messages`;', 'an SQL statement'],
    ['src/coreapp/a.ts', "const a = 'UPDATE run SET state = 1';", 'an SQL statement'],
    ['src/coreapp/a.ts', "const a = 'DELETE FROM messages';", 'an SQL statement'],
    ['src/core/a.ts', 'const a = b as any;', 'the type any'],
    ['src/core/a.ts', 'function a(b: any) {}', 'the type any'],
    ['src/core/a.ts', 'export enum A { B }', 'an enum'],
    ['src/core/a.ts', 'try { a(); } catch (error) {}', 'an empty catch'],
    ['src/core/a.ts', 'try { a(); } catch {\n // nothing\n}', 'an empty catch'],
    ['src/core/a.ts', '// TODO later', 'unfinished work'],
  ])('is red for %s with %j', (path, text, fault) => {
    const faults = styleFaults({ path, text });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(fault);
  });

  it.each([
    ['src/config/read-config.ts', 'const a = process.env;'],
    ['src/cli/main.ts', 'run(process.env); process.exit(0);'],
    ['src/app/lifetime.ts', "process.on('SIGTERM', stop); process.exit(0);"],
    ['src/storage/postgres/sweep.ts', 'const a = `DELETE FROM t`;'],
    ['src/core/a.ts', '// SELECT id FROM messages is what storage says; any row; export default'],
    ['src/core/a.ts', "const words = 'Select a webhook URL from the settings';"],
    ['src/core/a.ts', "const words = '`1`: any valid token';"],
    ['src/core/a.ts', "const url = 'http://127.0.0.1'; // process.env is not read here"],
  ])('is green for %s with %j', (path, text) => {
    expect(styleFaults({ path, text })).toEqual([]);
  });

  it('is red for a test that is skipped or singled out', () => {
    for (const word of ['skip', 'only', 'todo']) {
      expect(testFaults({ path: 'test/a.test.ts', text: `it.${word}('x', run);` })).toHaveLength(1);
    }
    expect(testFaults({ path: 'test/a.test.ts', text: "describe.skipIf(!url)('x', run);" })).toEqual([]);
  });
});
