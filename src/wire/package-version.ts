import { readFileSync } from 'node:fs';

/**
 * The version of this package, read once from its package.json. The file lies two folders above both `src/wire` and
 * `dist/wire`, so that the same line serves tests and the built program.
 */
export const packageVersion: string = read(new URL('../../package.json', import.meta.url));

function read(file: URL): string {
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (parsed !== null && typeof parsed === 'object' && 'version' in parsed) {
    if (typeof parsed.version === 'string') return parsed.version;
  }
  throw new Error(
    `Read ${file.pathname}, found no "version" in it; the installation is damaged, install again`,
  );
}
