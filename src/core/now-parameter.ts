const now = /(?<![:\w]):now\b/g;

/**
 * A condition with `:now` replaced by SQL. (`::now` is a cast to a type, and `:nowhere` another word.) Inside of quotes
 * it does not stand: the mapping file is refused then.
 */
export function replaceNow(sql: string, make: () => string): string {
  return sql.replaceAll(now, make);
}
