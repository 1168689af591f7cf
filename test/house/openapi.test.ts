import { describe, expect, it } from 'vitest';
import { paceNames } from '../../src/core/pace.js';
import { reasonCodes } from '../../src/core/reason.js';
import { weekdays } from '../../src/core/windows.js';
import { errorCodes } from '../../src/wire/error-envelope.js';
import { packageVersion } from '../../src/wire/package-version.js';
import { runEventNames } from '../../src/wire/run-events.js';
import { olderNames, settingTable } from '../../src/wire/setting-table.js';
import { apiDocument, faultsBy, faultsOfAnswer } from '../harness/api-document.js';
import { factsOfSources, sorted } from './docs-facts.js';
import { jsonBlocks, pageText } from './docs-pages.js';

const known = await factsOfSources();
const { schemas } = apiDocument.components;

/** The schema for each kind of example of the page of the API. */
const schemaOf: Readonly<Record<string, string>> = {
  login: 'LoginReply',
  error: 'ErrorReply',
  'start failure': 'ErrorReply',
  meta: 'MetaReply',
  settings: 'SettingsReply',
  accepted: 'AcceptedReply',
  nodes: 'NodesReply',
  'dry run': 'DryRunReply',
  list: 'RunsReply',
  runs: 'RunsReply',
  run: 'RunsReply',
  complete: 'Callback',
  failed: 'Callback',
  health: 'HealthReply',
  'health of nodes': 'NodesHealthReply',
  'health of nodes without the database': 'NodesHealthReply',
  metrics: 'MetricsReply',
};

/** The answers of the running product are held against the document wherever a test gets one (harness/instance.ts). */
describe('the OpenAPI document', () => {
  it('has every route of the code, and no other', () => {
    const told = Object.entries(apiDocument.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
    );
    expect(sorted(told)).toEqual(sorted(known.routes.map(({ method, path }) => `${method} ${path}`)));
  });

  it('names each operation once', () => {
    const ids = Object.values(apiDocument.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    );
    expect(ids).toEqual([...new Set(ids)]);
  });

  it('is of this version', () => {
    expect(apiDocument.info.version).toBe(packageVersion);
  });

  it('lists the codes, reasons, profiles, days and events of the code', () => {
    const enums = enumsOf(apiDocument).map((values) => sorted(values.map(String)));
    const listed: readonly (readonly unknown[])[] = [
      Object.keys(errorCodes),
      reasonCodes,
      paceNames,
      weekdays,
    ];
    for (const names of listed) expect(enums).toContainEqual(sorted(names.map(String)));
    const { summary, description } = apiDocument.paths['/v1/services/message/gc/events']?.['get'] ?? {};
    for (const event of runEventNames) expect(`${summary} ${description}`).toContain(event);
  });

  it('has no word that YAML took for a key', () => {
    expect(emptyKeysOf(apiDocument, '')).toEqual([]);
  });

  it('has every setting, and no other', () => {
    const told = leavesOf(schemas['Settings'], '');
    expect(sorted(told)).toEqual(sorted(settingTable.keys()));
    expect(leavesOf(schemas['SettingsChange'], '')).toEqual([...olderNames.keys()]);
  });

  it('describes every example of the page of the API', () => {
    for (const { name: kind, json } of jsonBlocks(pageText('docs/api.md'))) {
      const name = kind ?? 'a block without a name';
      const value: unknown = JSON.parse(json);
      const faults =
        name === 'healthz' || name === 'readyz'
          ? faultsOfAnswer('GET', `/${name}`, { status: 200, contentType: 'application/json', text: json })
          : faultsBy(schemaOf[name] ?? name, value);
      expect(faults, `${name}: ${json}`).toEqual([]);
    }
  });

  it('finds a field that it does not name, one that is missing and one of another kind', () => {
    const meta = { version: 'v0.1.0', api_status: 'stable' };
    expect(faultsBy('MetaReply', { meta })).toEqual([]);
    expect(faultsBy('MetaReply', { meta, more: 1 })).toHaveLength(1);
    expect(faultsBy('MetaReply', {})).toHaveLength(1);
    expect(faultsBy('MetaReply', { meta: { ...meta, version: 1 } })).toHaveLength(1);
    expect(faultsBy('RunsReply', { services: { message: { gc: { runs: [{}] } } }, meta })).not.toEqual([]);
  });

  it('knows no answer that is not in it', () => {
    const answer = { status: 204, contentType: 'application/json', text: '{}' };
    expect(faultsOfAnswer('GET', '/healthz', answer)).toHaveLength(1);
    expect(faultsOfAnswer('GET', '/nowhere', { ...answer, status: 200 })).toHaveLength(1);
    expect(
      faultsOfAnswer('GET', '/healthz', { ...answer, status: 200, contentType: 'text/html' }),
    ).toHaveLength(1);
  });
});

/** The dotted names of what a schema of settings holds. */
function leavesOf(schema: unknown, prefix: string): readonly string[] {
  const { properties = {} } = (schema ?? {}) as { readonly properties?: Readonly<Record<string, unknown>> };
  return Object.entries(properties).flatMap(([key, inner]) => {
    const name = `${prefix}${key}`;
    const isGroup = inner !== null && typeof inner === 'object' && 'properties' in inner;
    return isGroup ? leavesOf(inner, `${name}.`) : [name];
  });
}

function enumsOf(node: unknown): readonly (readonly unknown[])[] {
  if (node === null || typeof node !== 'object') return [];
  const inner = Object.values(node).flatMap(enumsOf);
  return 'enum' in node && Array.isArray(node.enum) ? [node.enum as readonly unknown[], ...inner] : inner;
}

/** `{ description: one, two }` in YAML has a key "two" of nothing. */
function emptyKeysOf(node: unknown, at: string): readonly string[] {
  if (node === null) return [at];
  if (typeof node !== 'object') return [];
  return Object.entries(node).flatMap(([key, value]) => emptyKeysOf(value, `${at}/${key}`));
}
