import { dryRunOf } from '../app/dry-run.js';
import { policyOf } from '../app/policy.js';
import type { Config } from '../config/read-config.js';
import type { DryRun } from '../core/dry-run.js';
import { paceOf } from '../core/pace.js';
import { dryRunReply } from '../wire/dry-run-reply.js';
import { formatCount, formatDuration, type Output } from './output.js';
import { withStore } from './with-store.js';

/** What a run of this configuration would do now, for people or as JSON. */
export async function tellDryRun(config: Config, output: Output): Promise<void> {
  // A first look comes before anything of ours is made beside the table.
  await withStore(config, { migrate: false, needsLedger: false }, async (store) => {
    const found = await dryRunOf(store, policyOf(config), paceOf(config));
    output.printJson(dryRunReply(found));
    for (const line of dryRunWords(found, config.profile)) output.print(line);
  });
}

export function dryRunWords(found: DryRun, profile: string): readonly string[] {
  const about = found.exact ? '' : 'about ';
  const row = (what: string, words: string): string => `${what.padEnd(14)}${words}`;
  const counts = (of: Readonly<Record<string, number>>): string =>
    Object.entries(of)
      .map(([name, n]) => `${about}${formatCount(n)} ${name}`)
      .join(', ');
  return [
    row('would go', `${about}${formatCount(found.messages)} messages${found.exact ? '' : ' (estimated)'}`),
    ...(Object.keys(found.dependents).length === 0 ? [] : [row('with them', counts(found.dependents))]),
    ...(Object.keys(found.held).length === 0 ? [] : [row('held', counts(found.held))]),
    row('horizon', found.horizon),
    ...(found.oldest === null ? [] : [row('oldest', found.oldest)]),
    ...(found.newest === null ? [] : [row('newest', found.newest)]),
    row(
      'size',
      `about ${formatBytes(found.bytes)}; the log would grow by about ${formatBytes(found.logBytes)}`,
    ),
    row('time', `about ${formatDuration(found.seconds * 1_000)} with the profile ${profile}`),
    row('walk', `${found.walk}, foreign keys ${found.foreignKeys}: ${found.why}`),
    ...(found.missingIndex === null ? [] : [row('missing index', found.missingIndex)]),
    ...(found.sample.length === 0
      ? []
      : [row('for example', found.sample.map((key) => key.join(' / ')).join(', '))]),
  ];
}

/** 123,456,789 → `118 MB`, in units of 1,024. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${value >= 10 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
