/**
 * `/v1/services/message/gc`: start or join, look, cancel. The PUT answers before any work is done and within five
 * seconds whatever the database does; an answer with errors means "not known to have started".
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Refusal, StoreError, wordsOf } from '../../core/errors.js';
import { newId } from '../../core/node-name.js';
import type { StartAnswer } from '../../core/ports.js';
import type { RunView } from '../../core/run-view.js';
import { runShape, runsReply } from '../../wire/run-reply.js';
import { startFailureDetails } from '../../wire/start-failure.js';
import { acceptedBySingle } from '../../wire/start-reply.js';
import { ApiError } from '../api-error.js';
import { storeDeadlineMs, within } from '../deadline.js';
import type { WebappDeps } from '../deps.js';
import type { Visitor } from '../guard.js';
import type { KnownVisitor, Route } from '../route.js';

const path = '/v1/services/message/gc';
/** Clients of the original give a PUT 8 s. */
const startDeadlineMs = 5_000;
/** Newest runs that the list shows. */
const runsShown = 20;

export function gcRoutes(deps: WebappDeps): readonly Route[] {
  const shape = (view: RunView) => runShape(view, deps.desk.progress(view.id));

  async function start(request: FastifyRequest, reply: FastifyReply, visitor: Visitor): Promise<unknown> {
    refuseParameters(request);
    if (visitor.kind === 'unconfirmed') throw startFailure(visitor.error, visitor.signed);
    const requestId = newId();
    // Looking the token up has used up some of the time already.
    const leftMs = Math.max(100, startDeadlineMs - reply.elapsedTime);
    const answer = await askForRun(requestId, visitor, leftMs);
    const clientsId = request.headers['x-request-id'];
    deps.log.info(
      {
        run: answer.runId,
        request: requestId,
        joined: answer.joined,
        by: visitor.user,
        ...(clientsId === undefined ? {} : { clientRequestId: String(clientsId).slice(0, 200) }),
      },
      answer.joined ? 'a request joined the active run' : 'a request started a run',
    );
    reply.header('x-request-id', answer.runId);
    if (answer.joined) reply.header('x-message-gc-joined', '1');
    return acceptedBySingle();
  }

  async function askForRun(requestId: string, visitor: KnownVisitor, ms: number): Promise<StartAnswer> {
    const late = (error: unknown): void =>
      deps.log.warn({ request: requestId, error: wordsOf(error) }, 'a start that was given up failed later');
    try {
      return await within(deps.desk.start({ requestId, by: visitor.user }), ms, 'start a run', late);
    } catch (error) {
      if (error instanceof StoreError || error instanceof Refusal) throw startFailure(error);
      throw error;
    }
  }

  /** The driver's words name the database's address: they are not for somebody whose token could not be verified. */
  function startFailure(error: StoreError | Refusal, isKnown = true): ApiError {
    deps.log.warn({ error: wordsOf(error) }, 'a run could not be started; the client was told');
    // The driver's own text where there is one: it is what the original shows, and what people search for.
    const words = !isKnown
      ? 'The database cannot be reached'
      : error.cause instanceof Error
        ? wordsOf(error.cause)
        : error.message;
    return new ApiError(1014, startFailureDetails(words, deps.settings.coreHost), { cause: error });
  }

  async function list(): Promise<unknown> {
    const runs = await within(deps.ledger.runs(runsShown), storeDeadlineMs, 'list the runs');
    return runsReply(runs.map(shape));
  }

  async function one(request: FastifyRequest): Promise<unknown> {
    const { id = '' } = request.params as { readonly id?: string };
    const view = /^[0-9a-f]{32}$/.test(id)
      ? await within(deps.ledger.run(id), storeDeadlineMs, 'read a run')
      : null;
    if (view === null) {
      throw new ApiError(
        1006,
        `No run has the id "${id.slice(0, 64)}". An id has 32 hex digits: the X-Request-ID of the answer to the PUT.`,
      );
    }
    const callbacks = await within(
      deps.outbox.forRun(view.id),
      storeDeadlineMs,
      'read the callbacks of a run',
    );
    return runsReply([runShape(view, deps.desk.progress(view.id), callbacks)]);
  }

  async function cancel(
    _request: FastifyRequest,
    _reply: FastifyReply,
    visitor: KnownVisitor,
  ): Promise<unknown> {
    const view = await within(deps.desk.cancel(visitor.user), storeDeadlineMs, 'cancel the run');
    if (view === null) throw new ApiError(1006, 'No run is active, so there is nothing to cancel.');
    return runsReply([shape(view)]);
  }

  return [
    { method: 'PUT', path, access: 'gc', unconfirmed: 'pass', handle: start },
    { method: 'GET', path, access: 'gc', handle: list },
    { method: 'DELETE', path, access: 'gc', handle: cancel },
    { method: 'GET', path: `${path}/:id`, access: 'gc', handle: one },
  ];
}

/**
 * The PUT takes no parameters. One that is overlooked could mean "only look" (a dry run), and deleting instead would
 * be the worst answer possible; so everything unknown is refused, in the query and in the body.
 */
function refuseParameters(request: FastifyRequest): void {
  const query = Object.keys(request.query as Readonly<Record<string, unknown>>);
  const { body } = request;
  const fields =
    body === undefined || body === null
      ? []
      : typeof body === 'object' && !Array.isArray(body)
        ? Object.keys(body)
        : [JSON.stringify(body)];
  const [first] = [...query, ...fields];
  if (first === undefined) return;
  const words = /^dry[_-]?run$/i.test(first)
    ? 'This version has no dry run, and no run was started.'
    : `The call takes no parameters, but "${first.slice(0, 80)}" was sent; no run was started. Send it without.`;
  throw new ApiError(1010, words);
}
