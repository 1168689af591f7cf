import { describe, expect, it } from 'vitest';
import { exitCodes } from '../../src/core/errors.js';
import { factsOfSources, found, sorted, textOfSources } from './docs-facts.js';
import { firstCells, pageText, section } from './docs-pages.js';

const known = await factsOfSources();

/** What `message-gc <name> --help` prints. */
function helpOf(name: string): string {
  return known.commands.find((command) => command.name() === name)?.helpInformation() ?? '';
}

describe('the page of the commands', () => {
  const text = pageText('docs/commands.md');
  const names = known.commands.map((command) => command.name());

  it('has a heading for every command that the program loads, and none for another', () => {
    const list = /const commands = \[([^\]]+)\]/.exec(textOfSources('src/cli/main.ts'))?.[1] ?? '';
    expect(sorted(found(list, /'(\w+)'/g))).toEqual(sorted(names));
    expect(sorted(found(text, /^## ([a-z]+)$/gm))).toEqual(sorted(names));
  });

  it.each(names)('tells what %s --help tells, with every option that it has and no other', (name) => {
    const flags = found(helpOf(name), /^ +(?:-\w, )?(--[a-z-]+)/gm).filter((flag) => flag !== '--help');
    expect(flags.length).toBeGreaterThan(0);
    const told = section(text, `## ${name}`);
    expect(sorted(found(told, /^\| `(--[a-z-]+)/gm))).toEqual(sorted(flags));
    expect(told).toContain(known.commands.find((command) => command.name() === name)?.description());
  });

  it('names options that some command has', () => {
    const flags = known.commands.flatMap((command) => command.options.map((option) => option.long));
    const named = found(text, /(?<![\w-])(--[a-z][a-z-]*)/g);
    expect(named.filter((flag) => !flags.includes(flag) && !['--help', '--version'].includes(flag))).toEqual(
      [],
    );
  });

  it('has every exit code with its reason, and no other', () => {
    const rows = [...section(text, '## Exit codes').matchAll(/^\| (\d+) \| (\w+) \|/gm)];
    expect(Object.fromEntries(rows.map((row) => [row[2], Number(row[1])]))).toEqual(exitCodes);
  });

  it('has every check of the doctor, and no other', () => {
    const given = found(
      ['checks/', 'postgres/checks/', 'mysql/checks/']
        .map((folder) => textOfSources(`src/storage/${folder}`))
        .concat(textOfSources('src/app/stop-file.ts'))
        .join('\n'),
      /\b(?:check(?:: | = )|ok\(\s*)([^;,]+)/g,
    );
    const checks = given.flatMap((value) => found(value.replace(/=== '\w+'/, ''), /'([a-z_]+)'/g));
    const table =
      pageText('docs/doctor.md').split('| check | an error or warning means |')[1]?.split('\n\n')[0] ?? '';
    expect(sorted(firstCells(table))).toEqual(sorted(checks));
  });
});
