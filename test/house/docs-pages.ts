import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A page of the documentation: its path from the root of the project, and its text. */
export type Page = { readonly path: string; readonly text: string };

export const root = fileURLToPath(new URL('../..', import.meta.url));

export function pages(): readonly Page[] {
  const inDocs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map(
    (name) => `docs/${name.split('\\').join('/')}`,
  );
  return [...readdirSync(root), ...inDocs]
    .filter((path) => path.endsWith('.md'))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

/** The text of one page. */
export function pageText(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** Without fenced code: what is left is prose, tables and inline code. */
export function prose(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, '');
}

/** The part of a page below a heading, up to the next heading of the same rank or a higher one. */
export function section(text: string, heading: string): string {
  const start = text.split('\n').indexOf(heading);
  if (start === -1) throw new Error(`The page has no heading "${heading}"`);
  const rank = /^#+/.exec(heading)?.[0].length ?? 0;
  const rest = text.split('\n').slice(start + 1);
  const end = rest.findIndex((line) => (/^#+(?= )/.exec(line)?.[0].length ?? rank + 1) <= rank);
  return (end === -1 ? rest : rest.slice(0, end)).join('\n');
}

/** First cells of the tables in a text, without their heads; code marks and commas between names are taken away. */
export function firstCells(text: string): readonly string[] {
  return [...text.matchAll(/^\| *([^|]*?) *\|.*$/gm)]
    .map((match) => match[1] ?? '')
    .filter((cell, index, all) => !/^-+$/.test(cell) && !/^-+$/.test(all[index + 1] ?? ''))
    .flatMap((cell) => cell.split(', '))
    .map((cell) => cell.replaceAll('`', ''));
}

/** As the anchors that a heading gets on the web. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

function anchorsOf(text: string): ReadonlySet<string> {
  return new Set([...prose(text).matchAll(/^#+ +(.+)$/gm)].map((match) => anchorOf(match[1] ?? '')));
}

/** Links to pages, files and headings of the project that lead nowhere. */
export function brokenLinks({ path, text }: Page): readonly string[] {
  return [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].flatMap((match) => {
    const [target = '', anchor] = (match[1] ?? '').split('#');
    if (/^[a-z]+:/.test(target)) return [];
    const place = target === '' ? path : posix.join(posix.dirname(path), target);
    if (!existsSync(join(root, place))) return [`${path}: ${match[1]} (there is no ${place})`];
    if (anchor === undefined) return [];
    const there = readFileSync(join(root, place), 'utf8');
    return anchorsOf(there).has(anchor) ? [] : [`${path}: ${match[1]} (${place} has no such heading)`];
  });
}

/** Files and folders of the project that a text names and that are not there. `dist/` is made by the build. */
export function missingPaths({ path, text }: Page): readonly string[] {
  const named =
    text.match(/(?<![\w./-])(?:src|test|bench|scripts|bin|docs|examples|\.ci)\/[\w./-]*[\w]/g) ??
    /* nothing named */ [];
  return [...new Set(named)]
    .filter((name) => !existsSync(join(root, name)))
    .map((name) => `${path}: ${name}`);
}

/** Blocks of JSON, each with the name in the comment above it: `<!-- example: accepted -->`. */
export function jsonBlocks(text: string): readonly { readonly name: string | null; readonly json: string }[] {
  return [...text.matchAll(/(?:<!-- example: ([^>]+?) -->\n)?```json\n([\s\S]*?)\n```/g)].map((match) => ({
    name: match[1] ?? null,
    json: match[2] ?? '',
  }));
}
