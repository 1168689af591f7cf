import { type ErrorEntry, errorEntry } from './error-envelope.js';
import { type Meta, meta } from './meta.js';

/**
 * The answer to a PUT that started or joined a run. `services` is an object here and an array in the callback; both
 * as the original has it. In Multiconnect a map of nodes stands in the place of `gc`.
 */
export type StartReply = {
  readonly services: { readonly message: { readonly gc: { readonly status: 'processing' } } };
  readonly meta: Meta;
};

export function acceptedBySingle(): StartReply {
  return { services: { message: { gc: { status: 'processing' } } }, meta };
}

/** A node that has started, or why that is not known of it. */
export type NodeEntry = { readonly status: 'processing' } | { readonly errors: readonly [ErrorEntry] };
export type NodesStartReply = {
  readonly services: { readonly message: { readonly gc: Readonly<Record<string, NodeEntry>> } };
  readonly meta: Meta;
};

/** `details` null: the node has started. */
export type ToldNode = { readonly name: string; readonly details: string | null };

/**
 * A node that has started stands under its full name, one that has not under its bare host name, as in the published
 * sample; under its full name where that would hide another.
 */
export function acceptedByNodes(nodes: readonly ToldNode[]): NodesStartReply {
  const gc: Record<string, NodeEntry> = {};
  const failed = nodes.filter(({ details }) => details !== null).map(({ name }) => hostOf(name));
  for (const { name, details } of nodes) {
    if (details === null) {
      gc[name] = { status: 'processing' };
      continue;
    }
    const host = hostOf(name);
    const isAlone = failed.filter((other) => other === host).length === 1;
    gc[isAlone ? host : name] = { errors: [errorEntry(1014, details)] };
  }
  return { services: { message: { gc } }, meta };
}

function hostOf(name: string): string {
  return name.slice(0, name.lastIndexOf(':'));
}
