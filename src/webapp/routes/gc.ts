/**
 * `/v1/services/message/gc`: start or join, look, steer, cancel. The PUT answers before any work is done and within five
 * seconds whatever the database does; an answer with errors means "not known to have started".
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Refusal, StoreError, wordsOf } from '../../core/errors.js';
import { newId } from '../../core/node-name.js';
import { aheadOf, keepUpOf, type Outlook } from '../../core/outlook.js';
import type { RunView } from '../../core/run-view.js';
import { dryRunReply } from '../../wire/dry-run-reply.js';
import { runShape, runsReply } from '../../wire/run-reply.js';
import { readSteerRequest } from '../../wire/steer-request.js';
import { publishedControlPort, startFailureDetails } from '../../wire/start-failure.js';
import { acceptedByNodes, acceptedBySingle } from '../../wire/start-reply.js';
import { ApiError } from '../api-error.js';
import { storeDeadlineMs, within } from '../deadline.js';
import type { AskedNode } from '../nodes/fan-out.js';
import type { DeskAnswer, StartAsked, WebappDeps } from '../deps.js';
import type { Visitor } from '../guard.js';
import type { KnownVisitor, Route } from '../route.js';

const path = '/v1/services/message/gc';
/** Newest runs that the list shows. */
const runsShown = 20;

export function gcRoutes(deps: WebappDeps): readonly Route[] {
  const shape = (view: RunView, outlook: Outlook | null = null) =>
    runShape(view, deps.desk.progress(view.id), undefined, outlook === null ? null : aheadOf(outlook));

  async function start(request: FastifyRequest, reply: FastifyReply, visitor: Visitor): Promise<unknown> {
    const asked = parametersOf(request);
    if (visitor.kind === 'unconfirmed') throw startFailure(visitor.error, visitor.signed);
    const requestId = newId();
    // Looking the token up has used up some of the time already.
    const leftMs = Math.max(100, deps.desk.startWithinMs - reply.elapsedTime);
    if (asked.dryRun) return look(visitor);
    const answer = await askForRun({
      requestId,
      by: visitor.user,
      confirmed: asked.confirmed,
      withinMs: leftMs,
    });
    if (answer.kind === 'braked') {
      deps.log.warn(
        { request: requestId, by: visitor.user },
        'a first run was not confirmed, and not started',
      );
      // 409, not 400: what stands against it is the state of the table, not the form of the request.
      throw new ApiError(1008, `${answer.words} (or PUT …?dry_run=true), then send PUT …?confirm=true.`, {
        status: 409,
      });
    }
    if (answer.kind === 'asked' && answer.nodes.length === 0) {
      throw new ApiError(
        1014,
        'No Coreapp is registered in this database, so nobody can collect. Start one: message-gc serve --role coreapp',
      );
    }
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
    if (answer.kind === 'started') return acceptedBySingle();
    const told = answer.nodes.map(toldNode);
    for (const { name, details } of told) {
      if (details !== null)
        deps.log.warn({ request: requestId, node: name }, `a node did not start: ${details}`);
    }
    // None has started: the map says why, and the status that there is no run.
    if (told.every(({ details }) => details !== null)) reply.code(500);
    return acceptedByNodes(told);
  }

  /** A look is no start: it answers with what it found, and a database that is away answers 503. */
  async function look(visitor: KnownVisitor): Promise<unknown> {
    const found = await within(deps.desk.dryRun(), storeDeadlineMs, 'make the dry run');
    deps.log.info({ by: visitor.user, messages: found.messages, exact: found.exact }, 'a dry run was made');
    return dryRunReply(found);
  }

  async function askForRun(asked: StartAsked): Promise<DeskAnswer> {
    const late = (error: unknown): void =>
      deps.log.warn(
        { request: asked.requestId, error: wordsOf(error) },
        'a start that was given up failed later',
      );
    try {
      return await within(deps.desk.start(asked), asked.withinMs, 'start a run', late);
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
    return new ApiError(
      1014,
      startFailureDetails(words, `${deps.settings.coreHost}:${publishedControlPort}`),
      { cause: error },
    );
  }

  async function list(): Promise<unknown> {
    const [runs, outlook] = await within(
      Promise.all([deps.ledger.runs(runsShown), deps.outlook()]),
      storeDeadlineMs,
      'list the runs',
    );
    return runsReply(
      runs.map((view) => shape(view, outlook)),
      keepUpOf(outlook),
    );
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
    const [callbacks, outlook] = await within(
      Promise.all([deps.outbox.forRun(view.id), deps.outlook()]),
      storeDeadlineMs,
      'read the callbacks of a run',
    );
    return runsReply([runShape(view, deps.desk.progress(view.id), callbacks, aheadOf(outlook))]);
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

  /** Acts at the next batch of every node: each reads the run's row in its transaction. */
  async function steer(
    request: FastifyRequest,
    _reply: FastifyReply,
    visitor: KnownVisitor,
  ): Promise<unknown> {
    const asked = readSteerRequest(request.body);
    if (asked.kind === 'refused') throw new ApiError(asked.code, asked.details);
    const view = await within(deps.desk.steer(asked.change, visitor.user), storeDeadlineMs, 'steer the run');
    if (view === null) throw new ApiError(1006, 'No run is active, so there is nothing to steer.');
    return runsReply([shape(view)]);
  }

  return [
    { method: 'PUT', path, access: 'gc', unconfirmed: 'pass', handle: start },
    { method: 'GET', path, access: 'gc', handle: list },
    { method: 'PATCH', path, access: 'gc', handle: steer },
    { method: 'DELETE', path, access: 'gc', handle: cancel },
    { method: 'GET', path: `${path}/:id`, access: 'gc', handle: one },
  ];
}

function toldNode({ node, answer }: AskedNode) {
  const { name } = node;
  if (answer.kind === 'processing') return { name, details: null };
  // Only of a node that did not answer it is worth asking whether it runs.
  const isSilent = answer.kind === 'unreachable';
  return { name, details: isSilent ? startFailureDetails(answer.words, node.address) : answer.words };
}

type Asked = { readonly dryRun: boolean; readonly confirmed: boolean };

/**
 * The PUT takes `dry_run` and `confirm` in the query and nothing else. One that is overlooked could mean "only look",
 * and deleting instead would be the worst answer possible; so everything unknown is refused, in the query and in the
 * body, and a value that is neither true nor false too.
 */
function parametersOf(request: FastifyRequest): Asked {
  const query = request.query as Readonly<Record<string, unknown>>;
  const { body } = request;
  const fields =
    body === undefined || body === null
      ? []
      : typeof body === 'object' && !Array.isArray(body)
        ? Object.keys(body)
        : [JSON.stringify(body)];
  const unknown = [
    ...Object.keys(query).filter((name) => name !== 'dry_run' && name !== 'confirm'),
    ...fields,
  ];
  const [first] = unknown;
  if (first !== undefined) {
    const words = /^dry[_-]?run$/i.test(first)
      ? `"${first}" was sent, but no run was started. Ask for a dry run by the query: PUT …?dry_run=true.`
      : `The call takes no parameters but dry_run and confirm, both in the query; "${first.slice(0, 80)}" was sent, and no run was started.`;
    throw new ApiError(1010, words);
  }
  return { dryRun: flag(query, 'dry_run'), confirmed: flag(query, 'confirm') };
}

function flag(query: Readonly<Record<string, unknown>>, name: string): boolean {
  const value = query[name];
  if (value === undefined || value === 'false') return false;
  if (value === 'true') return true;
  throw new ApiError(1009, `${name} must be true or false; no run was started.`);
}
