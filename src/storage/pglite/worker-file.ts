/**
 * Where the compiled thread lies. A thread starts from a file of JavaScript: beside this file when it is the built
 * one, and in the build folder when this file is run from its source, as the tests do.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export function workerFile(): URL {
  const beside = new URL('./worker.js', import.meta.url);
  if (existsSync(fileURLToPath(beside))) return beside;
  const built = new URL('../../../dist/storage/pglite/worker.js', import.meta.url);
  if (existsSync(fileURLToPath(built))) return built;
  throw new Error(
    `Starting the embedded database: ${fileURLToPath(built)} is missing. Build first: npm run build.`,
  );
}
