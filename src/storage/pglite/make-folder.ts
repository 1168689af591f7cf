/**
 * The first start: makes the database in a folder beside the wanted one and renames it when it is whole, so that a
 * process killed in between leaves nothing that looks like a database. A folder with anything else in it is refused.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Refusal } from '../../core/errors.js';
import { makeDatabase } from './engine.js';

/** Written by scripts/pglite-template.mjs; without it the database is made from nothing, which takes 3.5 s, not 1. */
const template = fileURLToPath(new URL('../../../dist/pglite-template.tar.gz', import.meta.url));

/** Call it with the folder's lock held. True when the database was made now. */
export async function makeFolder(folder: string): Promise<boolean> {
  if (existsSync(join(folder, 'PG_VERSION'))) return false;
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new Refusal(
      'refused',
      `Opening the embedded database: ${folder} is not empty and holds no database. ` +
        'Name an empty or a new folder in MESSAGE_GC_DATA, or in DATABASE_URL as pglite:FOLDER.',
    );
  }
  const making = `${folder}.making`;
  rmSync(making, { recursive: true, force: true });
  // The engine makes its files readable for everybody; the folder keeps everybody out.
  mkdirSync(making, { mode: 0o700 });
  await makeDatabase(making, existsSync(template) ? template : null);
  rmSync(folder, { recursive: true, force: true });
  renameSync(making, folder);
  return true;
}
