import { defaultSchedule, type Schedule } from './schedule.js';

/** The application settings of the original's `/v1/settings/application` that steer this product. */
export type ApplicationSettings = {
  /** '' = not set: callbacks wait in the outbox. */
  readonly webhookUrl: string;
  readonly callbackBackoffDelayMs: number;
  readonly maxCallbackBackoffDelayMs: number;
  readonly heartbeatIntervalS: number;
  readonly unhealthyIntervalS: number;
  readonly schedule: Schedule;
  /** Settings of the original that have no meaning here; kept and given back, so that clients find what they wrote. */
  readonly kept: Readonly<Record<string, unknown>>;
};

/** Defaults of the original, except that automatic collection is off until it is switched on. */
export const defaultSettings: ApplicationSettings = {
  webhookUrl: '',
  callbackBackoffDelayMs: 3_000,
  maxCallbackBackoffDelayMs: 900_000,
  heartbeatIntervalS: 5,
  unhealthyIntervalS: 30,
  schedule: defaultSchedule,
  kept: {},
};
