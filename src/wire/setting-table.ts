/**
 * Every setting of `/v1/settings/application`, by its dotted name: how a value is read, and what `GET` shows while
 * nobody has set it. Settings without a meaning here are read by the same rules, so that a typing error in them is
 * found as well; they are kept and given back.
 */
import type { ReadValue } from './read-value.js';
import { readCron, readTimeZone, readWindows, scheduleNames } from './schedule-settings.js';

export type SettingEntry = {
  readonly read: (raw: unknown) => ReadValue;
  /** Shown by GET until it is set; absent: not shown. Only for settings that are merely kept. */
  readonly shown?: unknown;
};

/** Numbers also as text: the original documents the delays as strings while its samples send numbers. */
function integer(least: number, most: number, unit: string): SettingEntry['read'] {
  return (raw) => {
    const value = typeof raw === 'string' && /^\d{1,10}$/.test(raw.trim()) ? Number(raw) : raw;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most)
      return { value };
    return { expected: `a whole number of ${unit} from ${least} to ${most}` };
  };
}

const flag: SettingEntry['read'] = (raw) =>
  typeof raw === 'boolean' ? { value: raw } : { expected: 'true or false' };

const text: SettingEntry['read'] = (raw) =>
  typeof raw === 'string' && raw.length <= 2_048
    ? { value: raw }
    : { expected: 'a text of at most 2048 characters' };

function oneOf(choices: readonly number[]): SettingEntry['read'] {
  return (raw) => {
    const value = typeof raw === 'string' ? Number(raw) : raw;
    return typeof value === 'number' && choices.includes(value)
      ? { value }
      : { expected: `one of ${choices.join(', ')}` };
  };
}

const mediaKinds = ['image', 'video', 'voice', 'sticker', 'audio', 'document'];
const mediaList: SettingEntry['read'] = (raw) =>
  Array.isArray(raw) && raw.every((kind) => mediaKinds.includes(String(kind)))
    ? { value: [...new Set(raw.map(String))] }
    : { expected: `a list of ${mediaKinds.join(', ')}` };

export const settingTable: ReadonlyMap<string, SettingEntry> = new Map<string, SettingEntry>([
  ['webhooks.url', { read: text }],
  ['callback_backoff_delay_ms', { read: integer(1, 86_400_000, 'milliseconds') }],
  ['max_callback_backoff_delay_ms', { read: integer(1, 86_400_000, 'milliseconds') }],
  ['heartbeat_interval', { read: integer(1, 3_600, 'seconds') }],
  ['unhealthy_interval', { read: integer(1, 3_600, 'seconds') }],
  // Off until it is switched on, unlike the original: nothing deletes here without somebody having asked.
  [scheduleNames.enabled, { read: flag }],
  [scheduleNames.cron, { read: readCron }],
  [scheduleNames.timeZone, { read: readTimeZone }],
  [scheduleNames.windows, { read: readWindows }],
  ['garbagecollector_enable.media', { read: flag, shown: false }],
  ['callback_persist', { read: flag, shown: true }],
  ['webhooks.max_concurrent_requests', { read: oneOf([6, 12, 18, 24]), shown: 6 }],
  ['webhooks.message.sent', { read: flag }],
  ['webhooks.message.delivered', { read: flag }],
  ['webhooks.message.read', { read: flag }],
  ['media.auto_download', { read: mediaList }],
  ['pass_through', { read: flag }],
  ['sent_status', { read: flag }],
  ['notify_user_change_number', { read: flag }],
  ['show_security_notifications', { read: flag }],
  ['axolotl_context_striping_disabled', { read: flag }],
  ['skip_referral_media_download', { read: flag }],
  ['webhook_payload_conversation_pricingmodel_disabled', { read: flag }],
  ['on_call_pager', { read: text }],
  ['verbose_logging', { read: flag }],
  ['log_level', { read: text }],
  ['wa_id', { read: text }],
]);

/** The older name of a setting, and the one under which it is kept and given back. */
export const olderNames: ReadonlyMap<string, string> = new Map([
  ['db_garbagecollector_enable', 'garbagecollector_enable.messages'],
]);

/** The known name that takes the fewest changed letters to reach, for "did you mean". */
export function nearestSetting(name: string): string {
  let nearest = '';
  let least = Number.POSITIVE_INFINITY;
  for (const known of [...settingTable.keys(), ...olderNames.keys()]) {
    const distance = changedLetters(name.slice(0, 80), known);
    if (distance < least) [nearest, least] = [known, distance];
  }
  return nearest;
}

function changedLetters(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
