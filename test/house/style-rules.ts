import { type SourceFile, withoutComments } from './source-files.js';

const longestFile = 400;
const folders = /(^|\/)(utils?|helpers?|common|shared|misc|lib)\//;
const kebab = /(^|\/)[a-z0-9]+(-[a-z0-9]+)*(\.[a-z-]+)*\.(ts|mjs|js)$/;

/** What may not stand in a source file, and where it may. */
const forbidden: readonly {
  readonly what: string;
  readonly pattern: RegExp;
  readonly allowed: RegExp | null;
}[] = [
  { what: 'a default export', pattern: /(^|\n)\s*export\s+default\b|\bas default\b/, allowed: null },
  {
    what: 'process.env (options are read in config, once)',
    pattern: /\bprocess\.env\b/,
    allowed: /^src\/(config\/|cli\/[^/]+$)/,
  },
  {
    what: 'process.exit (lifetimes end in one place)',
    pattern: /\bprocess\.exit\(/,
    allowed: /^src\/(app\/lifetime\.ts$|cli\/)/,
  },
  {
    what: 'process.on (signals are heard in the hall)',
    pattern: /\bprocess\.(on|once)\(/,
    allowed: /^src\/(app|cli)\//,
  },
  {
    what: 'an SQL statement (storage is the only room that speaks SQL)',
    pattern:
      /\b(SELECT\s[^;]*?\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s|(CREATE|ALTER|DROP|TRUNCATE)\s+(TABLE|SCHEMA|INDEX)\b)/,
    allowed: /^src\/storage\//,
  },
  { what: 'the type any', pattern: /(:\s*any\s*[;,)=[|&}\n]|\bas any\b|<any\b)/, allowed: null },
  { what: 'an enum', pattern: /(^|\n)\s*(export\s+)?(const\s+)?enum\s/, allowed: null },
  { what: 'an empty catch', pattern: /\bcatch\s*(\([^)]*\))?\s*\{\s*\}/, allowed: null },
];

/** Unfinished work is an issue, not a comment: looked for in comments too. */
const unfinished = /\b(TODO|FIXME|XXX)\b/;
const skippedTest = /\b(it|test|describe)\.(skip|only|todo)\(/;

/** Faults of one file of `src/`. */
export function styleFaults({ path, text }: SourceFile): readonly string[] {
  const code = withoutComments(text);
  return [
    ...sizeAndName({ path, text }),
    ...forbidden
      .filter(({ pattern, allowed }) => pattern.test(code) && allowed?.test(path) !== true)
      .map(({ what }) => `${path}: ${what}`),
    ...(unfinished.test(text) ? [`${path}: unfinished work in a comment`] : []),
  ];
}

/** Faults of one file of `test/`, `bench/` or `scripts/`, where less is forbidden. */
export function testFaults({ path, text }: SourceFile): readonly string[] {
  return [
    ...sizeAndName({ path, text }),
    ...(skippedTest.test(withoutComments(text)) ? [`${path}: a skipped or singled-out test`] : []),
  ];
}

function sizeAndName({ path, text }: SourceFile): readonly string[] {
  const lines = text.trimEnd().split('\n').length;
  return [
    ...(lines > longestFile ? [`${path}: ${lines} lines, ${longestFile} at most`] : []),
    ...(folders.test(path) ? [`${path}: a folder without a subject`] : []),
    ...(kebab.test(path) ? [] : [`${path}: names are kebab-case`]),
  ];
}
