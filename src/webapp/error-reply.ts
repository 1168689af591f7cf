/**
 * The only place that turns an error into an envelope: what a handler threw, what Fastify refused, and what Node's
 * HTTP parser could not read. Unexpected errors are logged once, with an id that the client gets too, and tell
 * nothing else to the outside.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { StoreError, wordsOf } from '../core/errors.js';
import { newId } from '../core/node-name.js';
import type { Log } from '../kit/log.js';
import { answerBroken } from '../wire/broken-request.js';
import { errorEnvelope } from '../wire/error-envelope.js';
import { ApiError } from './api-error.js';

export async function replyWithError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Log,
): Promise<void> {
  const answer = asApiError(error, request, log);
  request.errorCode = answer.code;
  await discardBody(request.raw);
  await reply.code(answer.status).headers(answer.headers).send(errorEnvelope(answer.code, answer.message));
}

const discardMs = 1_000;
const discardBytes = 64 * 1_048_576;

/**
 * Reads away what is still coming of a body that is refused unread. Closing a connection with unread bytes resets it,
 * and the client, still sending, would never see why.
 */
async function discardBody(raw: IncomingMessage): Promise<void> {
  const hasBody = 'content-length' in raw.headers || 'transfer-encoding' in raw.headers;
  if (!hasBody || raw.complete || raw.readableEnded || raw.destroyed) return;
  await new Promise<void>((resolve) => {
    let bytes = 0;
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, discardMs);
    raw.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes > discardBytes) done();
    });
    for (const event of ['end', 'error', 'close'] as const) raw.once(event, done);
    raw.resume();
  });
}

function asApiError(error: unknown, request: FastifyRequest, log: Log): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof StoreError) return ofStore(error, request, log);
  const refused = ofFastify(error);
  if (refused !== null) return refused;
  const incident = newId();
  log.error(
    { incident, method: request.method, path: pathOf(request), error: wordsOf(error), stack: stackOf(error) },
    'a request failed for a reason that nobody expected; this is a defect, please report it with this line',
  );
  return new ApiError(
    1014,
    `The request failed unexpectedly; the log has the cause under incident ${incident}.`,
    {
      cause: error,
    },
  );
}

/** Details name the driver's code only: its words hold addresses, and a log-in needs no token. */
function ofStore(error: StoreError, request: FastifyRequest, log: Log): ApiError {
  const facts = {
    kind: error.kind,
    code: error.nativeCode,
    doing: error.doing,
    path: pathOf(request),
    error: wordsOf(error),
  };
  if (error.kind === 'unreachable' || error.kind === 'credentials' || error.kind === 'untrusted') {
    log.debug(facts, 'a request was refused because the database cannot be reached');
    return new ApiError(
      1011,
      `The database cannot be reached (${error.nativeCode}). Check that it runs; GET /v1/health tells when it is back.`,
      { cause: error, headers: { 'retry-after': '5' } },
    );
  }
  const incident = newId();
  log.warn({ incident, ...facts }, 'a request failed because of the database');
  return new ApiError(
    1023,
    `The database refused (${error.kind}, ${error.nativeCode}); the log has its words under incident ${incident}.`,
    { cause: error },
  );
}

/** What Fastify itself refuses, by its code; null: not a refusal. */
function ofFastify(error: unknown): ApiError | null {
  if (!(error instanceof Error) || !('code' in error) || !('statusCode' in error)) return null;
  const { code, statusCode } = error;
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499) return null;
  const words = refusals[String(code)] ?? `The request cannot be read: ${error.message}`;
  return new ApiError(1025, words, { status: statusCode, cause: error });
}

/** One mebibyte: every body of this API has a few hundred bytes. */
export const bodyLimit = 1_048_576;
/** Node's default, made visible: lines and headers of a request together. */
export const headerLimit = 16_384;

const refusals: Readonly<Record<string, string>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: `The body is larger than ${bodyLimit} bytes, the most that this API takes.`,
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'The Content-Type cannot be read; send application/json.',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'The body has another length than its Content-Length says.',
  FST_ERR_BAD_URL: 'The path is no valid URL path; check its percent signs.',
  FST_ERR_MAX_PARAM_LENGTH: 'A part of the path is too long.',
};

/** Requests that never became one: Node's parser gave up, and there is nothing but a socket to answer on. */
export function replyToBrokenRequest(error: NodeJS.ErrnoException, socket: Socket, log: Log): void {
  log.debug({ code: error.code, error: wordsOf(error) }, 'a connection sent what is no HTTP request');
  const { line, words } = brokenAnswer(error.code);
  answerBroken(error, socket, { line, body: errorEnvelope(1025, words) });
}

function brokenAnswer(code: string | undefined): { readonly line: string; readonly words: string } {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return {
      line: '431 Request Header Fields Too Large',
      words: `The headers are larger than ${headerLimit} bytes together.`,
    };
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return { line: '408 Request Timeout', words: 'The request did not arrive in time; send it again.' };
  }
  return { line: '400 Bad Request', words: 'What arrived is no HTTP request.' };
}

/** Without the query: it may hold what does not belong into a log. */
export function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '';
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}
