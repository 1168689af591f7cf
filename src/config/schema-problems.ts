import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { type FieldSchema, mappingSchema } from './mapping-schema.js';
import { didYouMean } from '../kit/nearest-name.js';
import { type FieldPath, valueAt } from './yaml-text.js';

/** What is wrong with one field, in words for a person. */
export type FieldProblem = { readonly path: FieldPath; readonly words: string };

let compiled: ValidateFunction | null = null;

/** Everything in which the content of a file departs from the schema. */
export function schemaProblems(content: unknown): readonly FieldProblem[] {
  if (content === null || content === undefined) {
    return [{ path: [], words: `is empty, expected ${mappingSchema.title}` }];
  }
  compiled ??= new Ajv({
    allErrors: true,
    verbose: true,
    strict: true,
    allowUnionTypes: true,
    strictRequired: false,
    keywords: ['x-later', 'x-secret'],
  }).compile(mappingSchema);
  if (compiled(content)) return [];
  const problems = new Map<string, FieldProblem>();
  for (const error of compiled.errors ?? []) {
    const problem = problemOf(error, content);
    // One for each field: a wrong type breaks several rules at once.
    const id = problem === null ? '' : JSON.stringify(problem.path);
    if (problem !== null && !problems.has(id)) problems.set(id, problem);
  }
  return [...problems.values()];
}

/** `age.unit`, `dependents[0].match`: as people say it, seen from the store. */
export function fieldName(path: FieldPath): string {
  const inStore = path[0] === 'stores' && path.length > 2 ? path.slice(2) : path;
  return inStore
    .map((step, place) => (typeof step === 'number' ? `[${step}]` : `${place > 0 ? '.' : ''}${step}`))
    .join('');
}

function problemOf(error: ErrorObject, content: unknown): FieldProblem | null {
  const path = pathOf(error.instancePath, content);
  const schema = error.parentSchema as FieldSchema | undefined;
  if (schema === undefined || error.keyword === 'if') return null;
  if (schema['x-later'] === true) return laterProblem(path, error.data);
  if (error.keyword === 'const' && path.at(-1) === 'off_by_default')
    return laterProblem(path.slice(0, -1), valueAt(content, path.slice(0, -1)));
  const params = error.params as Readonly<Record<string, unknown>>;
  if (error.keyword === 'additionalProperties')
    return unknownField(path, String(params['additionalProperty']), schema);
  if (error.keyword === 'required') {
    const missing = String(params['missingProperty']);
    const expected = schema.properties?.[missing]?.title ?? 'it';
    return {
      path: [...path, missing],
      words: `${fieldName([...path, missing])} is missing, expected ${expected}`,
    };
  }
  if (error.keyword === 'maxItems' && fieldName(path) === 'stores')
    return { path, words: 'stores holds more than one store; several come with a later version' };
  const words = Array.isArray(schema['enum']) ? (schema['enum'] as readonly string[]) : [];
  const found = schema['x-secret'] === true ? 'not as it should be' : foundWords(error.data);
  const near = typeof error.data === 'string' ? didYouMean(error.data, words) : '';
  return { path, words: `${fieldName(path) || 'the file'} is ${found}, expected ${schema.title}${near}` };
}

function unknownField(path: FieldPath, name: string, schema: FieldSchema): FieldProblem {
  const known = Object.keys(schema.properties ?? {});
  const at = [...path, name];
  if (path.length === 0 && name in (mappingSchema.properties?.['stores']?.items?.properties ?? {})) {
    return { path: at, words: `${name} is a field of a store, expected in an entry of the list stores:` };
  }
  const near = didYouMean(name, known);
  return {
    path: at,
    words: `"${fieldName(at)}" is no field${near === '' ? `, expected one of ${known.join(', ')}` : near}`,
  };
}

function laterProblem(path: FieldPath, data: unknown): FieldProblem {
  const action = (data as { readonly action?: unknown } | null)?.action;
  const what = typeof action === 'string' ? `${fieldName(path)}.action ${action}` : fieldName(path);
  return {
    path,
    words: `${what} comes with a later version; take it away, or write off_by_default: true in it to keep it as a note`,
  };
}

function foundWords(value: unknown): string {
  if (value === null || value === undefined || value === '') return 'empty';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'object')
    return Object.keys(value).length === 0 ? 'an empty part' : 'a part with fields';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** Places in lists as numbers, names as texts, also where a name is made of digits. */
function pathOf(pointer: string, content: unknown): FieldPath {
  let here = content;
  return pointer
    .split('/')
    .slice(1)
    .map((part) => {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
      const step = Array.isArray(here) ? Number(name) : name;
      here = (here as Readonly<Record<string, unknown>> | null)?.[name];
      return step;
    });
}
