/** What the process was started with. Only this room reads it; commands hand it on, tests make their own. */
export const environment: Environment = process.env;

export type Environment = Readonly<Record<string, string | undefined>>;
