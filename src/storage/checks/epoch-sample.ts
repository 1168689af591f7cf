import type { Age, AgeUnit } from '../../core/mapping.js';
import type { Finding } from '../../core/ports.js';
import { ok } from './finding.js';

const perSecond: readonly (readonly [AgeUnit, number])[] = [
  ['epoch_s', 1],
  ['epoch_ms', 1e3],
  ['epoch_us', 1e6],
  ['epoch_ns', 1e9],
];
/** No messaging system has older rows, and none has rows of the next century. */
const earliest = Date.UTC(2000, 0, 1) / 1_000;
const latest = Date.UTC(2100, 0, 1) / 1_000;

/** Whether a middle value of the ages is of this century when it is read in the unit of the mapping. */
export function epochFinding({ column, unit }: Age, table: string, middle: number): Finding {
  const check = 'age_unit';
  const why =
    'Milliseconds read as nanoseconds are of January 1970, so that every message would go; seconds read as milliseconds too.';
  const fits = (units: number): boolean => middle / units > earliest && middle / units < latest;
  const declared = perSecond.find(([name]) => name === unit)?.[1] ?? 1;
  const meant = perSecond.find(([, units]) => fits(units))?.[0];
  if (fits(declared)) return ok(check, `The numbers of ${column} look like ${unit}.`, why);
  return {
    level: meant === undefined ? 'warning' : 'error',
    check,
    found: `The numbers of ${column} of ${table} (${middle} in the middle) do not look like ${unit}${meant === undefined ? '' : `, but like ${meant}`}.`,
    why,
    todo:
      meant === undefined
        ? 'Look at the column, and make sure that it is an age.'
        : `Correct the unit of the age in the mapping: ${meant}.`,
  };
}
