// A copy of the checkout to break: everything but what is installed, built or kept by the version control. What is
// installed is shared by a link, so that a copy costs a second and not a minute.
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

const leftOut = new Set(['node_modules', '.git', 'message-gc-data']);

/** @param {string} root the checkout */
export function copyOf(root) {
  const folder = mkdtempSync(join(tmpdir(), 'message-gc-mutants-'));
  cpSync(root, folder, {
    recursive: true,
    filter: (source) => !leftOut.has(relative(root, source)),
  });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return {
    folder,
    /** Applies the changes; answers how to undo them. Throws when a text is not there exactly once. */
    apply: (/** @type {import('./list.mjs').Mutant} */ { changes }) => applyTo(folder, changes),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/**
 * @param {string} folder
 * @param {readonly import('./list.mjs').Change[]} changes
 * @returns {() => void}
 */
export function applyTo(folder, changes) {
  const before = new Map();
  const texts = new Map();
  for (const { file, from, to } of changes) {
    const path = join(folder, file);
    if (!before.has(path)) before.set(path, readFileSync(path, 'utf8'));
    texts.set(path, changed(texts.get(path) ?? before.get(path), { file, from, to }));
  }
  for (const [path, text] of texts) writeFileSync(path, text);
  return () => {
    for (const [path, text] of before) writeFileSync(path, text);
  };
}

/**
 * @param {string} text
 * @param {import('./list.mjs').Change} change
 */
export function changed(text, { file, from, to }) {
  const found = text.split(from).length - 1;
  if (found !== 1) {
    throw new Error(
      `${file}: the text to replace is there ${found} times instead of once. If the code was changed, change the mutant with it (scripts/mutants/list.mjs): ${JSON.stringify(from)}`,
    );
  }
  // A function: "$" in the replacement means itself.
  return text.replace(from, () => to);
}
