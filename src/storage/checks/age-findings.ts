/** What the column of ages means for a run: the rules, the same for every engine. */
import type { Age, AgeUnit } from '../../core/mapping.js';
import type { Finding } from '../../core/ports.js';
import { ok } from './finding.js';

/** Types of the engine, as its catalogue writes them, by what they can hold. */
export type AgeTypes = Readonly<Record<'timestamptz' | 'datetime' | 'epoch', readonly string[]>>;

function kindOf(unit: AgeUnit): keyof AgeTypes {
  return unit === 'timestamptz' || unit === 'datetime' ? unit : 'epoch';
}

const units = {
  timestamptz: 'timestamptz',
  datetime: 'datetime, with its zone',
  epoch: 'epoch_s, epoch_ms, epoch_us or epoch_ns',
} as const;

export function ageTypeFinding({ column, unit }: Age, table: string, type: string, types: AgeTypes): Finding {
  const check = 'age_type';
  const why =
    'A column that is read in another unit than it holds makes every message look ancient, or none.';
  const wanted = types[kindOf(unit)];
  if (wanted.includes(type)) return ok(check, `${column} is ${type}, read as ${unit}.`, why);
  const fit = (['timestamptz', 'datetime', 'epoch'] as const).find((kind) => types[kind].includes(type));
  return {
    level: 'error',
    check,
    found: `${column} of ${table} is ${type}, but the mapping reads it as ${unit} (${wanted.join(', ')}).`,
    why,
    todo:
      fit === undefined
        ? 'Name a column of times or of epochs as the age.'
        : `Correct the unit of the age in the mapping: ${units[fit]}.`,
  };
}

/** @param todo how this server learns zones, and what may stand there instead */
export function zoneFinding(zone: string, isKnown: boolean, todo: string): Finding {
  const check = 'age_zone';
  const why =
    'A clock reading without a zone becomes a moment only by one; with a zone that the server does not know, nothing can be said of any message.';
  return isKnown
    ? ok(check, `The server knows the zone ${zone}.`, why)
    : { level: 'error', check, found: `The server does not know the zone ${zone}.`, why, todo };
}

/** @param missing the statement that makes the index; null: there is one */
export function ageIndexFinding(column: string, missing: string | null): Finding {
  const check = 'index_probe';
  const why =
    'The first look of a run asks for the oldest message; with an index an empty run costs milliseconds.';
  return missing === null
    ? ok(check, `An index begins with ${column}.`, why)
    : { level: 'warning', check, found: `No index begins with ${column}.`, why, todo: missing };
}
