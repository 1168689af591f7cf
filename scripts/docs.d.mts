// Types of docs.mjs, for the test that renders the same parts from the sources.
import type { Command } from 'commander';

export type DocumentedFacts = {
  readonly options: object;
  readonly mappingSchema: object;
  readonly settings: ReadonlyMap<string, object>;
  readonly defaultSettings: object;
  readonly meters: object;
  readonly signals: object;
  readonly errors: object;
  readonly routes: readonly DocumentedRoute[];
  readonly commands: readonly Command[];
};
export type DocumentedRoute = { readonly method: string; readonly path: string; readonly access: string };
export function routesOf(modules: readonly object[]): readonly DocumentedRoute[];
export function generatedParts(facts: DocumentedFacts): ReadonlyMap<string, string>;
export function schemaFile(schema: object): string;
export function renewed(text: string, parts: ReadonlyMap<string, string>): string;
