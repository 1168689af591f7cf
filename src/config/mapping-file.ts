import { readFileSync } from 'node:fs';
import type { Mapping } from '../core/mapping.js';
import type { Dialect } from '../core/sql-tokens.js';
import { mappingOf, type StoreEntry } from './mapping-build.js';
import { retentionOf, ruleProblems } from './mapping-rules.js';
import { type FieldProblem, schemaProblems } from './schema-problems.js';
import { parseYaml, valueAt, type YamlText } from './yaml-text.js';

/** A file of store mappings that is YAML; whether its one store can be used says `storeIn`. */
export type MappingFile = {
  readonly path: string;
  readonly yaml: YamlText;
  /** As it stands in the file: a URL or `env:NAME`; null: none. */
  readonly url: string | null;
};

/** Null: there is no such file. */
export function readMappingFile(path: string): MappingFile | { readonly problems: readonly string[] } | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    return { problems: [`${path} (MESSAGE_GC_CONFIG) cannot be read: ${message}`] };
  }
  return mappingFileOf(path, text);
}

export function mappingFileOf(
  path: string,
  text: string,
): MappingFile | { readonly problems: readonly string[] } {
  // A byte-order mark is no part of the first name.
  const yaml = parseYaml(path, text.replace(/^\uFEFF/, ''));
  if ('problems' in yaml) return yaml;
  const url = valueAt(yaml.content, ['stores', 0, 'url']);
  return { path, yaml, url: typeof url === 'string' && url !== '' ? url : null };
}

/**
 * The mapping and retention of the file's store, or every problem, each with file and line, what was found and what
 * was expected.
 *
 * @param dialect of the database; null while it is not known
 */
export function storeIn(
  { yaml }: MappingFile,
  dialect: Dialect | null,
):
  | { readonly mapping: Mapping; readonly retentionSeconds: number }
  | { readonly problems: readonly string[] } {
  const fromSchema = schemaProblems(yaml.content);
  const store = valueAt(yaml.content, ['stores', 0]);
  const known = new Set(fromSchema.map(({ path }) => path.join('/')));
  const fromRules = isPart(store)
    ? ruleProblems(store, dialect).filter(({ path }) => !known.has(path.join('/')))
    : [];
  const problems = inOrder([...fromSchema, ...fromRules], yaml);
  const retentionSeconds = retentionOf(store);
  if (problems.length > 0 || retentionSeconds === null) return { problems };
  return { mapping: mappingOf(store as StoreEntry), retentionSeconds };
}

function isPart(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function inOrder(problems: readonly FieldProblem[], yaml: YamlText): readonly string[] {
  return problems
    .map(({ path, words }) => ({ place: yaml.place(path), words }))
    .sort((a, b) => lineOf(a.place) - lineOf(b.place))
    .map(({ place, words }) => `${place}: ${words}`);
}

const lineOf = (place: string): number => Number(/\d+$/.exec(place)?.[0] ?? 0);
