/** Closes a union: the compiler refuses a forgotten case, and a value from outside the types is named. */
export function never(value: never): never {
  throw new Error(`Not a case that this code knows: ${JSON.stringify(value)}`);
}
