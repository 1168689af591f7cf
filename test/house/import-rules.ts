import { posix } from 'node:path';
import { type SourceFile, withoutComments } from './source-files.js';

/** Rooms from the top; those of one storey never meet. `import type` counts: a type is knowledge too. */
export const storeys: readonly (readonly string[])[] = [
  ['cli'],
  ['app'],
  ['webapp', 'coreapp', 'webhooks'],
  ['wire', 'config', 'storage', 'metrics'],
  ['core'],
  ['kit'],
];

const importForms = [
  /(?:^|\n)\s*(?:import|export)\b[^;'"]*?\bfrom\s*['"]([^'"]+)['"]/g,
  /(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g,
  /\bimport\(\s*['"]([^'"]+)['"]/g,
  // A worker's file is started by its address.
  /\bnew URL\(\s*['"](\.[^'"]+)['"]/g,
];

/** What a file names of our own sources, as paths from the root. */
export function importsOf({ path, text }: SourceFile): readonly string[] {
  const code = withoutComments(text);
  return (
    importForms
      .flatMap((form) => [...code.matchAll(form)].map((match) => match[1] ?? ''))
      .filter((name) => name.startsWith('.') && name.endsWith('.js'))
      .map((name) => posix.join(posix.dirname(path), name).replace(/\.js$/, '.ts'))
      // A worker thread started from sources runs the built file: the same door.
      .map((target) => target.replace(/^dist\//, 'src/'))
  );
}

/** Doors that lead up or sideways, and files that stand in no room. */
export function doorFaults(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) => {
    const from = placeOf(file.path);
    if (from === null) return [`${file.path} stands in no room`];
    return importsOf(file).flatMap((target) => {
      const to = placeOf(target);
      if (to === null) return [`${file.path} imports ${target}, which is outside of the rooms`];
      if (to.room === from.room || to.storey > from.storey) return [];
      const way = to.storey === from.storey ? 'sideways' : 'up';
      return [`${file.path} imports ${target}: ${from.room} → ${to.room} leads ${way}`];
    });
  });
}

function placeOf(path: string): { readonly room: string; readonly storey: number } | null {
  const [top, room] = path.split('/');
  const storey = storeys.findIndex((rooms) => room !== undefined && rooms.includes(room));
  return top === 'src' && room !== undefined && storey !== -1 ? { room, storey } : null;
}

/** Each circle of files once, as the path that closes it. */
export function cycles(files: readonly SourceFile[]): readonly string[] {
  const imports = new Map(files.map((file) => [file.path, importsOf(file)]));
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    const at = way.indexOf(path);
    if (at !== -1) {
      found.push([...way.slice(at), path].join(' → '));
      return;
    }
    if (done.has(path)) return;
    for (const next of imports.get(path) ?? []) visit(next, [...way, path]);
    done.add(path);
  };
  for (const path of imports.keys()) visit(path, []);
  return found;
}
