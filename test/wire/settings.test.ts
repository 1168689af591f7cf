import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ApplicationSettings, defaultSettings } from '../../src/core/settings.js';
import { patchSettings, settingsReply } from '../../src/wire/settings-reply.js';

const lax = { requireHttps: false };
function patched(body: unknown, current = defaultSettings): ApplicationSettings {
  const answer = patchSettings(current, body, lax);
  if (answer.kind === 'refused') throw new Error(`refused: ${answer.details}`);
  return answer.settings;
}
function refusal(body: unknown, rules = lax): { readonly code: number; readonly details: string } {
  const answer = patchSettings(defaultSettings, body, rules);
  if (answer.kind === 'settings') throw new Error('was accepted');
  return answer;
}

describe('changing settings', () => {
  it('leaves alone what is absent', () => {
    const first = patched({ webhooks: { url: 'https://example.test/a' } });
    const second = patched({ heartbeat_interval: 7 }, first);
    expect(second).toStrictEqual({
      ...defaultSettings,
      webhookUrl: 'https://example.test/a',
      heartbeatIntervalS: 7,
    });
  });

  it('takes numbers as text and gives them back as numbers', () => {
    const settings = patched({ callback_backoff_delay_ms: '4000', max_callback_backoff_delay_ms: 60_000 });
    const { application } = settingsReply(settings).settings;
    expect(application).toMatchObject({
      callback_backoff_delay_ms: 4000,
      max_callback_backoff_delay_ms: 60_000,
    });
  });

  it.each([
    ['callback_backoff_delay_ms', 0],
    ['callback_backoff_delay_ms', 86_400_001],
    ['max_callback_backoff_delay_ms', 'soon'],
    ['heartbeat_interval', 3601],
    ['unhealthy_interval', 1.5],
    ['unhealthy_interval', null],
    ['callback_persist', 'yes'],
    ['webhooks', 'https://example.test'],
    ['media', { auto_download: ['film'] }],
    ['garbagecollector_enable', { messages: 'nightly' }],
    ['garbagecollector_windows', 'always'],
  ])('refuses %s = %j with the name and what was expected', (name, value) => {
    const { code, details } = refusal({ [name]: value });
    expect(code).toBe(1009);
    expect(details).toContain(name);
    expect(details).toContain('expected');
  });

  it('names the nearest setting when one is misspelt', () => {
    const { code, details } = refusal({ webhooks: { ulr: 'https://example.test' } });
    expect(code).toBe(1010);
    expect(details).toContain('did you mean "webhooks.url"');
    expect(refusal({ heartbeat_intervall: 5 }).details).toContain('"heartbeat_interval"');
  });

  it('tells those who wrap the object that it must be bare', () => {
    expect(refusal({ settings: { application: {} } }).details).toContain('wrapped');
  });

  it.each([undefined, null, [], 'text', 7])('refuses %j as a body', (body) => {
    expect(refusal(body).code).toBe(1008);
  });

  it.each([
    ['not a url', 'no URL'],
    ['ftp://example.test/', 'begins with ftp:'],
    ['https://user:pass@example.test/', 'user name or password'],
  ])('refuses the webhook URL %s without repeating it', (url, words) => {
    const { code, details } = refusal({ webhooks: { url } });
    expect(code).toBe(1009);
    expect(details).toContain(words);
    expect(details).not.toContain(url);
  });

  it('takes http:// unless https is required', () => {
    expect(patched({ webhooks: { url: 'http://127.0.0.1:1/x' } }).webhookUrl).toBe('http://127.0.0.1:1/x');
    expect(refusal({ webhooks: { url: 'http://127.0.0.1:1/x' } }, { requireHttps: true }).code).toBe(1009);
  });

  it('clears the webhook URL with an empty text', () => {
    const before = patched({ webhooks: { url: 'https://example.test/a' } });
    expect(patched({ webhooks: { url: '' } }, before).webhookUrl).toBe('');
  });

  it('takes both names of automatic collection and gives the newer back', () => {
    for (const body of [
      { db_garbagecollector_enable: true },
      { garbagecollector_enable: { messages: true } },
    ]) {
      expect(settingsReply(patched(body)).settings.application).toMatchObject({
        garbagecollector_enable: { messages: true, media: false },
      });
    }
    expect(
      refusal({ db_garbagecollector_enable: true, garbagecollector_enable: { messages: false } }).details,
    ).toContain('twice');
  });

  it('takes a schedule and windows, and gives them back in one form', () => {
    const settings = patched({
      db_garbagecollector_enable: true,
      garbagecollector_schedule: { cron: ' 30 2 * * MON-FRI ', timezone: 'Europe/Berlin' },
      garbagecollector_windows: [
        { days: ['Sunday', 'mon', 'sun'], from: '22:00', to: '06:00' },
        { days: ['sat'], from: '00:00', to: '24:00' },
      ],
    });
    expect(settings.schedule).toEqual({
      enabled: true,
      cron: '30 2 * * MON-FRI',
      timeZone: 'Europe/Berlin',
      windows: [
        { days: ['sun', 'mon'], from: '22:00', to: '06:00' },
        { days: ['sat'], from: '00:00', to: '24:00' },
      ],
    });
    const { application } = settingsReply(settings).settings;
    expect(patched(application).schedule).toEqual(settings.schedule);
    expect(patched({ garbagecollector_windows: [] }, settings).schedule).toEqual({
      ...settings.schedule,
      windows: [],
    });
  });

  const window = { days: ['mon'], from: '22:00', to: '06:00' };
  it.each([
    ['garbagecollector_schedule.cron', '0 0 30 2 *', 'no date fits'],
    ['garbagecollector_schedule.cron', '0 3 * *', 'a cron expression such as "0 3 * * *"'],
    ['garbagecollector_schedule.cron', 3, 'a cron expression'],
    ['garbagecollector_schedule.timezone', 'Europe/Berln', 'did you mean "Europe/Berlin"?'],
    ['garbagecollector_schedule.timezone', 'Tokyo', 'did you mean "Asia/Tokyo"?'],
    ['garbagecollector_schedule.timezone', 2, 'an IANA time zone'],
    ['garbagecollector_windows', [window, 7], 'in window 2 an object with days, from and to'],
    ['garbagecollector_windows', [{ ...window, day: 'mon' }], 'there is no "day"; did you mean "days"?'],
    ['garbagecollector_windows', [{ ...window, days: [] }], 'days lists at least one of'],
    ['garbagecollector_windows', [{ ...window, days: ['mond'] }], '"mond" is no day'],
    ['garbagecollector_windows', [{ ...window, from: '24:00' }], 'from 00:00 to 23:59'],
    ['garbagecollector_windows', [{ ...window, to: '6:00' }], 'to is a time such as "06:00"'],
    ['garbagecollector_windows', [{ ...window, to: '22:00' }], 'from and to differ (both are 22:00)'],
    ['garbagecollector_windows', Array(51).fill(window), '50 at most'],
  ])('refuses %s = %j and says what was expected', (name, value, words) => {
    const body = name.split('.').reduceRight<unknown>((inner, part) => ({ [part]: inner }), value);
    const { code, details } = refusal(body);
    expect(code).toBe(1009);
    expect(details).toContain(name);
    expect(details).toContain(words);
  });

  it('gives everything back that it took, so that a GET can be sent as a PATCH', () => {
    const settings = patched({
      callback_persist: false,
      webhooks: { url: 'https://example.test/', max_concurrent_requests: '12', message: { sent: true } },
      media: { auto_download: ['image', 'voice'] },
      log_level: 'info',
      wa_id: '16315551019',
    });
    const { application } = settingsReply(settings).settings;
    expect(application).toStrictEqual({
      callback_backoff_delay_ms: 3000,
      callback_persist: false,
      garbagecollector_enable: { media: false, messages: false },
      garbagecollector_schedule: { cron: '0 3 * * *', timezone: 'UTC' },
      garbagecollector_windows: [],
      heartbeat_interval: 5,
      log_level: 'info',
      max_callback_backoff_delay_ms: 900_000,
      media: { auto_download: ['image', 'voice'] },
      unhealthy_interval: 30,
      wa_id: '16315551019',
      webhooks: { max_concurrent_requests: 12, message: { sent: true }, url: 'https://example.test/' },
    });
    expect(settingsReply(patched(application)).settings.application).toStrictEqual(application);
  });

  it('never throws and never changes names of objects, whatever is sent', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        const answer = patchSettings(defaultSettings, body, lax);
        return answer.kind === 'settings' || answer.details !== '';
      }),
    );
    expect(refusal(JSON.parse('{"__proto__":{"polluted":1}}')).code).toBe(1010);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
