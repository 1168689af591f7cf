/** `/v1/services/message/gc/events`: the newest run as a stream of server-sent events, for as long as the client stays. */
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RunView } from '../../core/run-view.js';
import { Bell } from '../../kit/sleep.js';
import { eventId, eventText, isOver, newsOf, runOfEventId } from '../../wire/run-events.js';
import { type RunShape, runShape } from '../../wire/run-reply.js';
import { ApiError } from '../api-error.js';
import { storeDeadlineMs, within } from '../deadline.js';
import type { WebappDeps } from '../deps.js';
import type { Guard } from '../guard.js';
import type { KnownVisitor, Route } from '../route.js';
import { RunFeed } from '../run-feed.js';

const path = '/v1/services/message/gc/events';
/** A stream costs a socket and a few kilobytes; more of them than this are a fault of some client. */
const mostListeners = 100;
/** A comment after so much silence keeps proxies from closing the connection. The token is looked at again as often. */
const heartbeatMs = 15_000;
/** How long a client waits before it comes back after a restart. */
const retryMs = 2_000;

type RunsRead = Pick<WebappDeps, 'ledger' | 'desk'>;

export function newRunFeed({ ledger, desk }: RunsRead): RunFeed {
  let seen: RunView | null = null;
  return new RunFeed(async () => {
    try {
      [seen = null] = await within(ledger.runs(1), storeDeadlineMs, 'read the newest run');
    } catch (error) {
      // The process that works on the run knows why it waits, also while the ledger cannot be asked.
      if (seen === null || desk.progress(seen.id) === null) throw error;
    }
    return seen === null ? null : runShape(seen, desk.progress(seen.id));
  });
}

export function eventRoutes(deps: RunsRead, feed: RunFeed, guard: Pick<Guard, 'admit'>): readonly Route[] {
  /** A run that the listener saw last and that is over now, if another one is the newest. */
  async function endOf(id: string | null): Promise<RunShape | null> {
    if (id === null || id === feed.latest?.id) return null;
    const view = await within(deps.ledger.run(id), storeDeadlineMs, 'read a run').catch(() => null);
    if (view === null || view.endedAt === null) return null;
    return runShape(view, null);
  }

  async function* texts(
    request: FastifyRequest,
    bell: Bell,
    gone: AbortSignal,
    expires: Date,
  ): AsyncGenerator<string> {
    yield `retry: ${retryMs}\n\n`;
    const lastId = String(request.headers['last-event-id'] ?? '');
    const missed = await endOf(runOfEventId(lastId));
    let before: RunShape | null | undefined = missed ?? undefined;
    if (missed !== null && !isSame(missed, lastId)) yield eventText({ name: 'run.ended', run: missed });
    if (feed.latest !== null && isSame(feed.latest, lastId)) before = feed.latest;
    let admittedAt = performance.now();
    while (!gone.aborted && Date.now() < expires.getTime()) {
      const now = feed.latest;
      if (before !== undefined && before !== null && before.id !== now?.id && !isOver(before)) {
        const end = await endOf(before.id);
        if (end !== null) yield eventText({ name: 'run.ended', run: end });
      }
      const news = newsOf(before, now).map(eventText).join('');
      before = now;
      if (news !== '') yield news;
      if (gone.aborted) return;
      await bell.wait(heartbeatMs, gone);
      if (gone.aborted) return;
      const isSilent = feed.latest === now;
      if (!isSilent && performance.now() - admittedAt < heartbeatMs) continue;
      // Somebody who was logged out meanwhile hears no more, also while there is much to tell.
      const isStill = await guard.admit(request.headers.authorization, 'gc', true).then(
        () => true,
        () => false,
      );
      if (!isStill) return;
      admittedAt = performance.now();
      if (isSilent) yield ': still here\n\n';
    }
  }

  async function listen(
    request: FastifyRequest,
    reply: FastifyReply,
    visitor: KnownVisitor,
  ): Promise<unknown> {
    const answer = (): FastifyReply =>
      // nginx would keep events back until its buffer is full.
      reply.type('text/event-stream; charset=utf-8').header('x-accel-buffering', 'no');
    if (request.method === 'HEAD') return answer().send('');
    if (feed.listeners >= mostListeners) {
      throw new ApiError(1016, `${mostListeners} clients listen already; close some, or ask GET …/gc.`, {
        headers: { 'retry-after': '5' },
      });
    }
    const bell = new Bell();
    const left = new AbortController();
    // Comes once for every answer, whoever ends it.
    reply.raw.once('close', () => {
      left.abort();
      feed.leave(bell);
    });
    await feed.join(bell);
    if (left.signal.aborted) feed.leave(bell);
    const gone = AbortSignal.any([left.signal, feed.closing]);
    // The framework pipes it: what the client does not read is not made.
    return answer().send(Readable.from(texts(request, bell, gone, visitor.expires)));
  }

  return [{ method: 'GET', path, access: 'gc', handle: listen }];
}

function isSame(run: RunShape, id: string): boolean {
  return eventId(run) === id;
}
