import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** `npm run mutants` takes minutes; what takes none is to see that each of them still fits the code. */
test('every mutant can be applied to the code as it is', () => {
  const script = fileURLToPath(new URL('../../scripts/mutants.mjs', import.meta.url));
  const done = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  expect(done.stderr).toBe('');
  expect(done.stdout).toMatch(/^\d\d mutants can be applied\n$/);
  expect(done.status).toBe(0);
});
