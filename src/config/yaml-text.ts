import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';

/** From the top of a file to a field: names and places in lists. */
export type FieldPath = readonly (string | number)[];

/** A file of YAML that could be read. */
export type YamlText = {
  readonly content: unknown;
  /** `message-gc.yaml:12`: where the field stands, or the nearest part around it that is there. */
  readonly place: (path: FieldPath) => string;
};

/** What follows the first faults of a text is their echo. */
const mostFaults = 3;

/** The parser quotes what it stumbled over, which may be a URL with its password. */
function withoutExcerpt(message: string): string {
  return message.replace(/(?: in YAML stream)?: "[\s\S]*$/, '');
}

/** The first problems that keep the text from being YAML, each with file and line. */
export function parseYaml(file: string, text: string): YamlText | { readonly problems: readonly string[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2' });
  // A warning (a tag that is not known) would be read as something else than was meant.
  const faults = [...document.errors, ...document.warnings];
  const at = (offset: number): string => `${file}:${lines.linePos(offset).line}`;
  if (faults.length > 0) {
    const told = faults.map(({ pos, message }) => `${at(pos[0])}: no YAML: ${withoutExcerpt(message)}`);
    return { problems: [...new Set(told)].slice(0, mostFaults) };
  }
  let content: unknown;
  try {
    content = document.toJS() as unknown;
  } catch (error) {
    return { problems: [`${file}: no YAML: ${error instanceof Error ? error.message : String(error)}`] };
  }
  const place = (path: FieldPath): string => {
    let node: unknown = document.contents;
    let offset = document.contents?.range?.[0] ?? 0;
    for (const step of path) {
      const inner: unknown = isAlias(node) ? node.resolve(document) : node;
      if (isMap(inner)) {
        const pair = inner.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
        if (pair === undefined) break;
        if (isScalar(pair.key) && pair.key.range) offset = pair.key.range[0];
        node = pair.value;
      } else if (isSeq(inner)) {
        node = inner.items[Number(step)];
        const range = (node as { readonly range?: readonly number[] } | undefined)?.range;
        if (range?.[0] === undefined) break;
        offset = range[0];
      } else break;
    }
    return at(offset);
  };
  return { content, place };
}

/** The value at a path of anything; undefined where there is none. */
export function valueAt(value: unknown, path: FieldPath): unknown {
  return path.reduce<unknown>(
    (inner, step) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, step)
        ? (inner as Readonly<Record<string | number, unknown>>)[step]
        : undefined,
    value,
  );
}
