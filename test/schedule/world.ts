/** What the tests of schedule and windows share: both engines' worlds, and settings in words. */
import type { Instance } from '../harness/instance.js';
import { outcomeOf, type RunShape, runsOf } from '../harness/collection.js';
import type { Keys, Oracle } from '../harness/oracle.js';
import type { Environment } from '../harness/processes.js';
import type { Role } from '../harness/instance.js';
import type { Receiver } from '../harness/receiver.js';

export type ScheduleWorld = {
  readonly receiver: Receiver;
  readonly oracle: Oracle;
  readonly before: Keys;
  readonly eligible: Keys;
  start(env?: Environment, role?: Role): Promise<Instance>;
  restart(instance: Instance): Promise<Instance>;
};

export type ToldRun = RunShape & { readonly requested_by: string; readonly joined_by: readonly string[] };

export async function patch(instance: Instance, settings: object): Promise<void> {
  const answer = await instance.api('PATCH', '/v1/settings/application', settings);
  if (answer.status !== 200) throw new Error(`PATCH settings was answered ${answer.status}: ${answer.text}`);
}

/** Settings that collect by this expression, in UTC. */
export function collectingBy(cron: string): object {
  return { garbagecollector_enable: { messages: true }, garbagecollector_schedule: { cron } };
}

export const notCollecting = { garbagecollector_enable: { messages: false } };

/** Runs that the schedule made, oldest first. */
export async function scheduledRuns(instance: Instance): Promise<readonly ToldRun[]> {
  const runs = (await runsOf(instance)) as readonly ToldRun[];
  return runs.filter((run) => run.requested_by === 'schedule').reverse();
}

export const hasEnded = ({ state }: { readonly state: string }): boolean =>
  state === 'complete' || state === 'failed';

/** What all accepted callbacks say was deleted. */
export function toldDeleted({ accepted }: Receiver): number {
  return accepted.map(outcomeOf).reduce((sum, told) => sum + told.messages_deleted, 0);
}

const names = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/** A window an hour long, some days from now: closed for as long as any test takes. */
export function farWindow(daysAhead = 3): {
  readonly days: string[];
  readonly from: string;
  readonly to: string;
} {
  const day = names[(new Date().getUTCDay() + daysAhead) % 7] ?? '';
  return { days: [day], from: '10:00', to: '11:00' };
}

/** When that window opens, as the API says it. */
export function opensOf(daysAhead = 3): string {
  const at = new Date();
  at.setUTCHours(10, 0, 0, 0);
  at.setUTCDate(at.getUTCDate() + daysAhead);
  return at.toISOString();
}
