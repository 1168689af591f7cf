/**
 * The control port of a Coreapp: where Webapps ask it for a run. Whoever cannot sign with the cluster's secret starts
 * nothing, and reads what the meters count; nothing that a caller sends ends the process or is kept.
 */
import type { Socket } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { Refusal, StoreError, wordsOf } from '../core/errors.js';
import type { StartAnswer } from '../core/ports.js';
import type { Log } from '../kit/log.js';
import type { Meters } from '../metrics/meters.js';
import { answerBroken } from '../wire/broken-request.js';
import {
  type ControlAnswer,
  type ControlCall,
  type ControlError,
  controlProtocol,
  isSignature,
  parseCall,
  signAnswer,
  signatureHeader,
  signCall,
  startPath,
} from '../wire/control.js';
import { metricsFormat, metricsReply, unknownFormat } from '../wire/metrics-reply.js';

export type ControlDeps = {
  readonly secret: string;
  readonly policyHash: string;
  /** The node's name; known once the port is bound. */
  readonly node: () => string;
  /** T3. Throws StoreError while there is no database. */
  readonly start: (request: { readonly requestId: string; readonly by: string }) => Promise<StartAnswer>;
  /** The database is prepared and usable. */
  readonly ready: () => boolean;
  readonly meters: Pick<Meters, 'text' | 'readings'>;
  readonly log: Log;
};

type Address = { readonly host: string; readonly port: number };

export interface ControlServer {
  /** Resolves to the address in use; throws a Refusal when it cannot be had. */
  listen(address: Address): Promise<Address>;
  close(): Promise<void>;
}

/** A call has a few hundred bytes. */
const mostBytes = 16 * 1_024;
/** Whoever connects and says nothing is let go; a Webapp waits for 5 s only. */
const requestTimeoutMs = 5_000;

const statusOf = {
  secret: 401,
  protocol: 409,
  malformed: 400,
  name: 409,
  policy: 409,
  not_started: 503,
} as const;

export function createControlServer(deps: ControlDeps): ControlServer {
  const app = fastify({
    logger: false,
    bodyLimit: mostBytes,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: true,
    clientErrorHandler: replyToBrokenCall,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error: Error & { readonly statusCode?: number }, request, reply) => {
    deps.log.warn(
      { from: request.ip, error: wordsOf(error) },
      'a call at the control port could not be read',
    );
    return reply.code(error.statusCode ?? 400).send(toStranger('malformed', wordsOf(error)));
  });
  app.setNotFoundHandler((_request, reply) =>
    reply
      .code(404)
      .send(toStranger('malformed', 'This is the control port of message-gc; it takes POST /start')),
  );
  app.post(startPath, (request, reply) => answerStart(deps, request, reply));
  // For whoever starts and stops processes: says nothing that a TCP connection does not say.
  app.get('/healthz', () => ({ status: 'alive' }));
  app.get('/readyz', (_request, reply) =>
    deps.ready() ? { status: 'ready' } : reply.code(503).send({ status: 'waiting for the database' }),
  );
  app.get('/metrics', (request, reply) => answerMetrics(deps, request, reply));
  return { listen: (address) => listen(app, address), close: () => app.close() };
}

/** Unsigned: a scraper that had the secret could start runs as well. Numbers, and no more names than a Webapp's meters. */
async function answerMetrics(
  { meters }: ControlDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { format } = request.query as { readonly format?: unknown };
  switch (metricsFormat(format, request.headers.accept ?? '')) {
    case 'json':
      return reply.send(metricsReply(await meters.readings()));
    case 'prometheus': {
      const { contentType, body } = await meters.text();
      return reply.header('content-type', contentType).send(body);
    }
    case null:
      return reply.code(400).send(toStranger('malformed', unknownFormat));
  }
}

async function answerStart(deps: ControlDeps, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const body = typeof request.body === 'string' ? request.body : '';
  const signature = signCall(deps.secret, body);
  if (!isSignature(request.headers[signatureHeader], signature)) {
    deps.log.warn(
      { from: request.ip },
      'a call at the control port was not signed with the secret of this cluster',
    );
    await reply
      .code(statusOf.secret)
      .send(toStranger('secret', 'The call is not signed with the cluster secret'));
    return;
  }
  const answer = await answerTo(deps, body);
  const text = JSON.stringify(answer);
  await reply
    .code('error' in answer ? statusOf[answer.error.kind] : 200)
    .header('content-type', 'application/json')
    .header(signatureHeader, signAnswer(deps.secret, signature, text))
    .send(text);
}

async function answerTo(deps: ControlDeps, body: string): Promise<ControlAnswer> {
  const parsed = parseCall(body);
  if (parsed === null)
    return errorAnswer(deps, 'malformed', 'The call is no JSON object with a protocol number');
  if (parsed.protocol !== controlProtocol) {
    return errorAnswer(
      deps,
      'protocol',
      `The node speaks control protocol ${controlProtocol}, and the Webapp ${parsed.protocol}: run the same version of message-gc on both`,
    );
  }
  if (parsed.call === null)
    return errorAnswer(deps, 'malformed', 'The call lacks request, by, node or policy_hash');
  return start(deps, parsed.call.start);
}

async function start(deps: ControlDeps, asked: ControlCall['start']): Promise<ControlAnswer> {
  const node = deps.node();
  if (asked.node !== node) {
    return errorAnswer(
      deps,
      'name',
      `Another node answers at this address: ${node} in the place of ${asked.node}`,
    );
  }
  if (asked.policy_hash !== deps.policyHash) {
    return errorAnswer(
      deps,
      'policy',
      'The node has another store mapping or retention than the Webapp: give both the same configuration and start them again',
    );
  }
  try {
    const { runId, joined } = await deps.start({ requestId: asked.request, by: asked.by });
    deps.log.info(
      { run: runId, request: asked.request, joined, by: asked.by },
      'a Webapp asked this node for a run',
    );
    return { protocol: controlProtocol, node, started: { run: runId, joined } };
  } catch (error) {
    if (!(error instanceof StoreError) && !(error instanceof Refusal)) {
      deps.log.error(
        { request: asked.request, stack: error instanceof Error ? error.stack : undefined },
        `a start met a defect: ${wordsOf(error)}`,
      );
      return errorAnswer(deps, 'not_started', 'The node met a defect; its log tells more');
    }
    deps.log.warn({ request: asked.request, error: wordsOf(error) }, 'this node could not start a run');
    return errorAnswer(deps, 'not_started', `The node cannot start: ${wordsOf(error.cause ?? error)}`);
  }
}

/** What never became a request: garbage, headers without end, or nothing in time. */
function replyToBrokenCall(error: NodeJS.ErrnoException, socket: Socket): void {
  const isTooLarge = error.code === 'HPE_HEADER_OVERFLOW';
  const words = isTooLarge ? 'The headers are too large' : 'What was sent is no HTTP request';
  answerBroken(error, socket, {
    line: isTooLarge ? '431 Request Header Fields Too Large' : '400 Bad Request',
    body: toStranger('malformed', words),
  });
}

/** Unsigned, and without the node's name: who cannot sign learns nothing of the cluster. */
function toStranger(kind: ControlError['kind'], words: string) {
  return { protocol: controlProtocol, node: '', error: { kind, words } };
}

function errorAnswer(deps: ControlDeps, kind: ControlError['kind'], words: string) {
  return { protocol: controlProtocol, node: deps.node(), error: { kind, words } };
}

async function listen(app: FastifyInstance, { host, port }: Address): Promise<Address> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw new Refusal(
      'configuration',
      `Cannot open the control port on ${host}:${port}: ${wordsOf(error)}. Free the address or choose another with MESSAGE_GC_CONTROL_LISTEN.`,
      { cause: error },
    );
  }
  const bound = app.server.address();
  return bound === null || typeof bound === 'string'
    ? { host, port }
    : { host: bound.address, port: bound.port };
}
