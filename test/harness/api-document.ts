/**
 * docs/openapi.yaml as a judge: every answer that a test gets of an instance, and every callback, is held against it, so
 * that the document cannot say less, or other, than what is sent.
 */
import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

type Json = { readonly [key: string]: unknown };
type Content = Readonly<Record<string, { readonly schema: Json }>>;
type Response = { readonly $ref?: string; readonly content?: Content };
export type Operation = {
  readonly operationId: string;
  readonly summary?: string;
  readonly description?: string;
  readonly responses: Readonly<Record<string, Response>>;
};
export type ApiDocument = {
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Json>>;
    readonly responses: Readonly<Record<string, Response>>;
  };
};

export const apiDocument = parse(
  readFileSync(new URL('../../docs/openapi.yaml', import.meta.url), 'utf8'),
) as ApiDocument;

const documentId = 'openapi.yaml';
const ajv = new Ajv2020({ strict: false, allErrors: true });
ajv.addSchema(closed(apiDocument) as Json, documentId);

/** What is wrong with an answer by the document; empty: nothing. */
export function faultsOfAnswer(
  method: string,
  path: string,
  answer: { readonly status: number; readonly contentType: string; readonly text: string },
): readonly string[] {
  const told = `${method} ${path} was answered ${answer.status}`;
  // Only its headers come.
  if (method === 'HEAD') return [];
  const content = contentOf(method, path, answer.status);
  if (content === null) return [`${told}, which docs/openapi.yaml does not know`];
  const type = answer.contentType.split(';')[0]?.trim() ?? '';
  const schema = content[type]?.schema;
  if (schema === undefined) return [`${told} with ${type}, which docs/openapi.yaml does not know`];
  if (type !== 'application/json') return [];
  return faultsOf(schema, JSON.parse(answer.text)).map((fault) => `${told}: ${fault}`);
}

export function faultsOfCallback(body: string): readonly string[] {
  return faultsBy('Callback', JSON.parse(body));
}

/** Against one of the schemas by its name. */
export function faultsBy(name: string, value: unknown): readonly string[] {
  return faultsOf({ $ref: `#/components/schemas/${name}` }, value);
}

/** A path or a method that there is not is answered as an error, too. */
function contentOf(method: string, path: string, status: number): Content | null {
  const operation = operationAt(path)?.[method.toLowerCase()];
  const response =
    operation === undefined
      ? status >= 400
        ? { $ref: '#/components/responses/Error' }
        : undefined
      : (operation.responses[String(status)] ?? (status >= 400 ? operation.responses['default'] : undefined));
  if (response === undefined) return null;
  const name = response.$ref?.split('/').at(-1);
  return (name === undefined ? response : apiDocument.components.responses[name])?.content ?? null;
}

function operationAt(path: string): Readonly<Record<string, Operation>> | undefined {
  const bare = path.split('?')[0]?.replace(/(?<=.)\/$/, '') ?? '';
  const exact = apiDocument.paths[bare];
  if (exact !== undefined) return exact;
  const template = Object.keys(apiDocument.paths).find((known) =>
    new RegExp(`^${known.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(bare),
  );
  return template === undefined ? undefined : apiDocument.paths[template];
}

const compiled = new Map<string, ValidateFunction>();

function faultsOf(schema: Json, value: unknown): readonly string[] {
  const key = JSON.stringify(schema);
  let validate = compiled.get(key);
  if (validate === undefined) {
    validate = ajv.compile(absolute(closed(schema)) as Json);
    compiled.set(key, validate);
  }
  if (validate(value)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message = '', params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

/** What the document does not name is not sent: here that is a fault, though a client should be more patient. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed);
  if (node === null || typeof node !== 'object') return node;
  const inner = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]));
  const types = [inner['type']].flat();
  const isOpen = types.includes('object') && 'properties' in inner && !('additionalProperties' in inner);
  return isOpen ? { ...inner, additionalProperties: false } : inner;
}

function absolute(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(absolute);
  if (node === null || typeof node !== 'object') return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => [
      key,
      key === '$ref' ? `${documentId}${String(value)}` : absolute(value),
    ]),
  );
}
