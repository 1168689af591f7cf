/** What the API and the callbacks say of a collection, parsed at the door of the tests. */
import { faultsOfCallback } from './api-document.js';
import type { Instance } from './instance.js';
import type { Delivery } from './receiver.js';
import { until } from './wait.js';

export type GcOutcome = {
  readonly messages_deleted: number;
  readonly status: 'complete' | 'failed';
  readonly node?: string;
  readonly errors?: readonly { readonly code: number; readonly details: string }[];
};

export function outcomeOf(delivery: Delivery): GcOutcome {
  const faults = faultsOfCallback(delivery.body);
  if (faults.length > 0) throw new Error(`The callback ${delivery.body}: ${faults.join('; ')}`);
  const body = JSON.parse(delivery.body) as { services: [{ message: { gc: GcOutcome } }] };
  return body.services[0].message.gc;
}

export type RunShape = {
  readonly id: string;
  readonly state: 'running' | 'waiting' | 'paused' | 'complete' | 'failed';
  readonly messages_deleted: number;
  readonly dependents_deleted: Readonly<Record<string, number>>;
  readonly parked: number;
  readonly reason: {
    readonly code: string;
    readonly signal: string | null;
    readonly value: unknown;
    readonly since: string;
  } | null;
  readonly plan: { readonly walk: string; readonly foreign_keys: string; readonly why: string } | null;
  readonly errors: readonly { readonly code: number; readonly details: string }[];
};

export async function runsOf(instance: Instance): Promise<readonly RunShape[]> {
  const answer = await instance.api('GET', '/v1/services/message/gc');
  if (answer.status !== 200) throw new Error(`GET gc was answered ${answer.status}: ${answer.text}`);
  return (answer.body as { services: { message: { gc: { runs: RunShape[] } } } }).services.message.gc.runs;
}

export async function runOf(instance: Instance, id: string): Promise<RunShape> {
  const found = (await runsOf(instance)).find((run) => run.id === id);
  if (found === undefined) throw new Error(`GET gc does not list the run ${id}.`);
  return found;
}

export async function waitForRun(
  instance: Instance,
  id: string,
  what: string,
  deadlineMs: number,
  is: (run: RunShape) => boolean,
): Promise<RunShape> {
  let last: RunShape | null = null;
  try {
    return await until(`the run to be ${what}`, deadlineMs, async () => {
      last = await runOf(instance, id);
      return is(last) ? last : null;
    });
  } catch (cause) {
    throw new Error(`${(cause as Error).message} Last seen: ${JSON.stringify(last)}`, { cause });
  }
}

/** Ends when the run has ended, however. */
export function waitForEnd(instance: Instance, id: string, deadlineMs = 30_000): Promise<RunShape> {
  return waitForRun(
    instance,
    id,
    'over',
    deadlineMs,
    ({ state }) => state === 'complete' || state === 'failed',
  );
}

/** A figure of /metrics by its name and labels as Prometheus writes them; 0 when it is not there yet. */
export async function metric(instance: Instance, series: string): Promise<number> {
  const answer = await instance.api('GET', '/metrics?format=prometheus');
  if (answer.status !== 200) throw new Error(`GET /metrics was answered ${answer.status}: ${answer.text}`);
  const line = answer.text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}
