/** Stands between the columns of a key in a hold's value. */
export const keySeparator = '\u001f';

export function joinedKey(columns: readonly string[]): string {
  return columns.join(keySeparator);
}

/** For people. */
export function shownKey(value: string): string {
  return value.replaceAll(keySeparator, ', ');
}
