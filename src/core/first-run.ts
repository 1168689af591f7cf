import { durationWords } from '../kit/duration-words.js';
import { canonicalJson, type Policy } from './policy.js';
import { type Mapping, ownMapping } from './mapping.js';

/**
 * The brake of a first run (decision 18): a mapping that would empty a table is wrong more often than it is meant. The
 * usual faults (a unit of the age that is too small, a predicate that is always true) make nearly everything eligible.
 */

/** More than this share of the rows would go. A table of somebody who never collected may well be 90 % done with. */
const brakeShare = 0.9;
/** Smaller tables are trials: who tries the product out on a few rows must not be asked for a confirmation. */
const brakeRows = 1_000;

export type ShareEligible = { readonly share: number; readonly rows: number };

export function mustBeConfirmed({ share, rows }: ShareEligible): boolean {
  return share > brakeShare && rows >= brakeRows;
}

/** `found` null: it could not be said. What whoever asked for the run is told, up to where the confirmation is named: that differs by the door. */
export function brakeWords(
  { mapping: { table }, retentionSeconds }: Policy,
  found: ShareEligible | null,
): string {
  const name = table.schema === null ? table.name : `${table.schema}.${table.name}`;
  const advice =
    'and this table was never collected under this mapping. Nothing was started. Look at "message-gc plan" first';
  if (found === null) return `How much of ${name} would be deleted could not be said in time, ${advice}`;
  const percent = Math.min(100, Math.floor(found.share * 1_000) / 10);
  return (
    `About ${percent} % of the ${found.rows.toLocaleString('en-US')} rows of ${name} would be deleted (retention ` +
    `${durationWords(retentionSeconds)}), ${advice}`
  );
}

/** Our own schema has no brake: what is processed there is no matter of a predicate that somebody wrote. */
export function isOwnMapping(mapping: Mapping): boolean {
  return canonicalJson(mapping) === canonicalJson(ownMapping);
}
