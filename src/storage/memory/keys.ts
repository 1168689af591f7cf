/**
 * Keys as the ledger writes them: canonical JSON arrays of text, `["123"]`, and `[]` for "before all". Here a key is
 * one integer, so that order and arithmetic are plain.
 */
export function boundOf(key: number): string {
  return key <= 0 ? '[]' : JSON.stringify([String(key)]);
}

/** Throws on a bound that is none of ours. */
export function keyOf(bound: string): number {
  const parts: unknown = JSON.parse(bound);
  if (!Array.isArray(parts) || parts.length > 1) throw badBound(bound);
  if (parts.length === 0) return 0;
  const key = Number(parts[0]);
  if (!Number.isSafeInteger(key)) throw badBound(bound);
  return key;
}

function badBound(bound: string): Error {
  return new Error(
    `Reading a bound of a span: found ${bound}, where [] or ["<integer>"] stands in this store.`,
  );
}
