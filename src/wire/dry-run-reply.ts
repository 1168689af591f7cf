import type { DryRun } from '../core/dry-run.js';
import { type Meta, meta } from './meta.js';

/** What a run would do now: the answer to a PUT with `dry_run=true`, and `message-gc plan --json`. */
export type DryRunReply = {
  readonly services: { readonly message: { readonly gc: { readonly dry_run: DryRunShape } } };
  readonly meta: Meta;
};

export type DryRunShape = {
  readonly messages: number;
  readonly exact: boolean;
  readonly dependents: Readonly<Record<string, number>>;
  readonly held: Readonly<Record<string, number>>;
  readonly oldest: string | null;
  readonly newest: string | null;
  readonly bytes: number;
  readonly log_bytes: number;
  readonly seconds: number;
  readonly walk: string;
  readonly foreign_keys: string;
  readonly why: string;
  readonly missing_index: string | null;
  /** Keys of some messages that would go; of a key of several columns a list each. */
  readonly sample: readonly (string | readonly string[])[];
  readonly horizon: string;
};

export function dryRunReply(found: DryRun): DryRunReply {
  return { services: { message: { gc: { dry_run: dryRunShape(found) } } }, meta };
}

export function dryRunShape(found: DryRun): DryRunShape {
  return {
    messages: found.messages,
    exact: found.exact,
    dependents: found.dependents,
    held: found.held,
    oldest: found.oldest,
    newest: found.newest,
    bytes: found.bytes,
    log_bytes: found.logBytes,
    seconds: found.seconds,
    walk: found.walk,
    foreign_keys: found.foreignKeys,
    why: found.why,
    missing_index: found.missingIndex,
    sample: found.sample.map((key) => (key.length === 1 ? (key[0] ?? '') : key)),
    horizon: found.horizon,
  };
}
