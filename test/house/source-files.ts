import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Path from the root of the project, with `/`, and text. */
export type SourceFile = { readonly path: string; readonly text: string };

const root = fileURLToPath(new URL('../..', import.meta.url));
const extensions = /\.(ts|mjs|js)$/;

/** Every source file below a folder of the project; none where the folder is not there. */
export function sourceFiles(folder: string): readonly SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && extensions.test(entry.name))
    .map((entry) => {
      const full = join(entry.parentPath, entry.name);
      return { path: relative(root, full).split(sep).join('/'), text: readFileSync(full, 'utf8') };
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The text with comments blanked and every line kept, so that what is found in it is code. */
export function withoutComments(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/(^|[\s;{}()])\/\/.*$/gm, '$1');
}
