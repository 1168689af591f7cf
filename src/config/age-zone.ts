import { didYouMean } from '../kit/nearest-name.js';

const offset = /^[+-](?:0\d|1[0-4]):[0-5]\d$/;

/** The zone as the mapping has it (`UTC`, `+02:00`, `Europe/Berlin`), or the words of what is wrong with it. */
export function zoneOf(text: string): { readonly zone: string } | { readonly problem: string } {
  if (/^(?:utc|z)$/i.test(text)) return { zone: 'UTC' };
  if (offset.test(text)) return { zone: text };
  if (/^(?:session|system|local|default)$/i.test(text)) {
    return {
      problem: `"${text}", which depends on who asks; expected the zone in which the application writes: utc, an offset such as +02:00, or a zone such as Europe/Berlin`,
    };
  }
  try {
    // Abbreviations mean different zones to different servers; those with a slash mean one.
    const known = new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
    if (text.includes('/')) return { zone: text };
    return {
      problem: `"${text}", an abbreviation; expected its full name, such as ${known.includes('/') ? known : 'Europe/Berlin'}`,
    };
  } catch {
    const near = didYouMean(text, Intl.supportedValuesOf('timeZone'));
    return {
      problem: `"${text}", expected utc, an offset such as +02:00, or a zone such as Europe/Berlin${near}`,
    };
  }
}
