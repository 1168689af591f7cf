/**
 * `/v1/settings/application`: a PATCH body becomes ApplicationSettings, and ApplicationSettings become the GET body.
 * A PATCH is applied whole or not at all; the first fault found is told with the setting's name.
 */
import type { ApplicationSettings } from '../core/settings.js';
import type { ErrorCode } from './error-envelope.js';
import { type Meta, meta } from './meta.js';
import { appliedSchedule, scheduleNames, shownSchedule } from './schedule-settings.js';
import { nearestSetting, olderNames, settingTable } from './setting-table.js';

export type SettingsReply = {
  readonly settings: { readonly application: Readonly<Record<string, unknown>> };
  readonly meta: Meta;
};

export type PatchAnswer =
  | { readonly kind: 'settings'; readonly settings: ApplicationSettings }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly details: string };

/** `body` is the bare object, as the original takes it; what is absent keeps its value in `current`. */
export function patchSettings(
  current: ApplicationSettings,
  body: unknown,
  rules: { readonly requireHttps: boolean },
): PatchAnswer {
  if (!isObject(body)) {
    return refuse(
      1008,
      'The body must be a JSON object with the settings to change, such as {"webhooks":{"url":"https://…"}}',
    );
  }
  const values = new Map<string, unknown>();
  for (const [given, raw] of leaves(body, '')) {
    const name = olderNames.get(given) ?? given;
    const entry = settingTable.get(name);
    if (entry === undefined) {
      if (isGroup(given))
        return refuse(1009, `${given} is ${shown(raw)}, expected an object with its settings`);
      return refuse(1010, unknownSetting(given, body));
    }
    const read = entry.read(raw);
    if ('expected' in read) return refuse(1009, `${given} is ${shown(raw)}, expected ${read.expected}`);
    if (values.has(name) && values.get(name) !== read.value) {
      return refuse(
        1009,
        `${name} is given twice, under its older name as well, with different values; send one of them`,
      );
    }
    values.set(name, read.value);
  }
  const url = values.get('webhooks.url');
  if (typeof url === 'string') {
    const fault = urlFault(url, rules.requireHttps);
    if (fault !== null) return refuse(1009, fault);
  }
  return { kind: 'settings', settings: applied(current, values) };
}

export function settingsReply(settings: ApplicationSettings): SettingsReply {
  const flat = new Map<string, unknown>();
  for (const [name, entry] of settingTable) if (entry.shown !== undefined) flat.set(name, entry.shown);
  for (const [name, value] of Object.entries(settings.kept)) flat.set(name, value);
  flat.set('webhooks.url', settings.webhookUrl);
  flat.set('callback_backoff_delay_ms', settings.callbackBackoffDelayMs);
  flat.set('max_callback_backoff_delay_ms', settings.maxCallbackBackoffDelayMs);
  flat.set('heartbeat_interval', settings.heartbeatIntervalS);
  flat.set('unhealthy_interval', settings.unhealthyIntervalS);
  for (const [name, value] of shownSchedule(settings.schedule)) flat.set(name, value);
  const application: Record<string, unknown> = {};
  for (const [name, value] of [...flat].sort(([a], [b]) => (a < b ? -1 : 1)))
    place(application, name.split('.'), value);
  return { settings: { application }, meta };
}

function applied(current: ApplicationSettings, values: ReadonlyMap<string, unknown>): ApplicationSettings {
  const number = (name: string, otherwise: number): number => {
    const value = values.get(name);
    return typeof value === 'number' ? value : otherwise;
  };
  const url = values.get('webhooks.url');
  const own = new Set([
    'webhooks.url',
    'callback_backoff_delay_ms',
    'max_callback_backoff_delay_ms',
    'heartbeat_interval',
    'unhealthy_interval',
    ...Object.values(scheduleNames),
  ]);
  return {
    webhookUrl: typeof url === 'string' ? url.trim() : current.webhookUrl,
    callbackBackoffDelayMs: number('callback_backoff_delay_ms', current.callbackBackoffDelayMs),
    maxCallbackBackoffDelayMs: number('max_callback_backoff_delay_ms', current.maxCallbackBackoffDelayMs),
    heartbeatIntervalS: number('heartbeat_interval', current.heartbeatIntervalS),
    unhealthyIntervalS: number('unhealthy_interval', current.unhealthyIntervalS),
    schedule: appliedSchedule(current.schedule, values),
    kept: { ...current.kept, ...Object.fromEntries([...values].filter(([name]) => !own.has(name))) },
  };
}

/** null: the URL can be called. The URL itself is not repeated: it may hold a password or a token. */
function urlFault(text: string, requireHttps: boolean): string | null {
  if (text.trim() === '') return null;
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    return 'webhooks.url is no URL, expected https://host/path, or "" to clear it';
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    return `webhooks.url begins with ${url.protocol.slice(0, 20)}, expected https:// or http://`;
  }
  if (url.username !== '' || url.password !== '') {
    return 'webhooks.url holds a user name or password, which would stand in logs and settings; put a secret into the path instead';
  }
  if (requireHttps && url.protocol === 'http:') {
    return 'webhooks.url begins with http://, but this instance is set to call https:// only (MESSAGE_GC_REQUIRE_HTTPS)';
  }
  return null;
}

function unknownSetting(name: string, body: Readonly<Record<string, unknown>>): string {
  if ('settings' in body || 'application' in body) {
    return 'The body is wrapped in "settings" or "application"; send the settings themselves, such as {"webhooks":{"url":"https://…"}}';
  }
  return `"${name.slice(0, 80)}" is no setting; did you mean "${nearestSetting(name)}"?`;
}

/** The leaves of a body by dotted name. An object where a value belongs is a leaf too, so that its reader refuses it. */
function* leaves(body: Readonly<Record<string, unknown>>, prefix: string): Generator<[string, unknown]> {
  for (const [key, value] of Object.entries(body)) {
    const name = `${prefix}${key}`;
    if (isGroup(name) && isObject(value)) yield* leaves(value, `${name}.`);
    else yield [name, value];
  }
}

function isGroup(name: string): boolean {
  return [...settingTable.keys()].some((known) => known.startsWith(`${name}.`));
}

function place(into: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [head = '', ...rest] = path;
  if (rest.length === 0) {
    into[head] = value;
    return;
  }
  const inner = into[head];
  const group: Record<string, unknown> = isObject(inner) ? inner : {};
  into[head] = group;
  place(group, rest, value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function shown(raw: unknown): string {
  const text = JSON.stringify(raw);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function refuse(code: ErrorCode, details: string): PatchAnswer {
  return { kind: 'refused', code, details };
}
