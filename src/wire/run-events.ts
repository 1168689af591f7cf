/**
 * Server-sent events about runs: `GET /v1/services/message/gc/events`. An event tells the state of a run and not a
 * change, so that one that was missed is made up for by the next.
 */
import { createHash } from 'node:crypto';
import type { RunShape } from './run-reply.js';

export const runEventNames = ['run.started', 'run.progress', 'run.waiting', 'run.ended', 'idle'] as const;
export type RunEventName = (typeof runEventNames)[number];
export type RunEvent = { readonly name: RunEventName; readonly run: RunShape | null };

/**
 * What a listener is to be told when it knew `before` and the newest run is `now`. `before` undefined: it knows
 * nothing. A run that ended unseen between the two is the caller's to find.
 */
export function newsOf(before: RunShape | null | undefined, now: RunShape | null): readonly RunEvent[] {
  if (now === null) return before === undefined ? [{ name: 'idle', run: null }] : [];
  if (before !== undefined && before !== null && eventId(before) === eventId(now)) return [];
  if (isOver(now)) {
    return [
      { name: 'run.ended', run: now },
      { name: 'idle', run: null },
    ];
  }
  const isNew = before !== undefined && before?.id !== now.id;
  const isHeld = now.state === 'waiting' || now.state === 'paused';
  return [{ name: isNew ? 'run.started' : isHeld ? 'run.waiting' : 'run.progress', run: now }];
}

export function isOver({ state }: RunShape): boolean {
  return state === 'complete' || state === 'failed';
}

/** The run, and which state of it: a listener that comes back with it is told only what it has not seen. */
export function eventId(run: RunShape): string {
  const state = createHash('sha256').update(JSON.stringify(run)).digest('hex').slice(0, 12);
  return `${run.id}-${state}`;
}

/** The run of a Last-Event-ID; null when it is none of ours. */
export function runOfEventId(id: string): string | null {
  return /^([0-9a-f]{32})-[0-9a-f]{12}$/.exec(id)?.[1] ?? null;
}

/** As it goes over the wire. `idle` has no id: whoever comes back names the last run that it saw. */
export function eventText({ name, run }: RunEvent): string {
  const id = run === null ? '' : `id: ${eventId(run)}\n`;
  return `${id}event: ${name}\ndata: ${JSON.stringify(run ?? {})}\n\n`;
}
