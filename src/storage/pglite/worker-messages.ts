/**
 * What the main thread and the database thread say to each other. A session is one client's connection; its number
 * never comes back, so that an answer which arrives after its client has left is known by its number and dropped.
 */
export type ToWorker =
  /** Whole messages of the wire protocol, never a part of one: the engine cannot wait for the rest. */
  | { readonly kind: 'bytes'; readonly session: number; readonly bytes: Uint8Array }
  /** The client has gone: what it left open is rolled back before the next one is heard. */
  | { readonly kind: 'left'; readonly session: number }
  | { readonly kind: 'close' };

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'bytes'; readonly session: number; readonly bytes: Uint8Array }
  /** The engine is broken or did not start; nothing that it still holds in memory may be written. */
  | { readonly kind: 'broken'; readonly words: string }
  | { readonly kind: 'closed' };

/** How the thread is started. `make`: create the database in `folder` and end; `template` is a saved fresh one. */
export type WorkerTask =
  | { readonly kind: 'serve'; readonly folder: string }
  | { readonly kind: 'make'; readonly folder: string; readonly template: string | null };
