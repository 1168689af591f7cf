/** A value of a setting as it will be kept, or what was expected instead. */
export type ReadValue = { readonly value: unknown } | { readonly expected: string };
