import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ApiError } from './api-error.js';

/**
 * Reads bodies: JSON, or nothing at all under any Content-Type. The published collection of calls sends
 * `Content-Type: application/json` with an empty body, and curl announces a form for `-d ''`; both mean "no body".
 */
export function readJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const json = async (_request: FastifyRequest, body: string): Promise<unknown> => parse(body);
  const other = async (request: FastifyRequest, body: string): Promise<unknown> => {
    if (body.trim() === '') return undefined;
    const type = request.headers['content-type'] ?? 'not given';
    throw new ApiError(1025, `The body's Content-Type is ${type.slice(0, 80)}; send application/json.`, {
      status: 415,
    });
  };
  app.addContentTypeParser<string>(/^application\/(?:[\w.-]+\+)?json\b/i, { parseAs: 'string' }, json);
  app.addContentTypeParser<string>('*', { parseAs: 'string' }, other);
}

function parse(text: string): unknown {
  if (text.trim() === '') return undefined;
  let reachesPrototype = false;
  const read = (key: string, value: unknown): unknown => {
    if (key !== '__proto__') return value;
    reachesPrototype = true;
    return undefined;
  };
  try {
    const body: unknown = JSON.parse(text, read);
    if (!reachesPrototype) return body;
  } catch (error) {
    throw new ApiError(
      1025,
      `The body is no valid JSON: ${error instanceof Error ? error.message : String(error)}`,
      {
        status: 400,
        cause: error,
      },
    );
  }
  throw new ApiError(1010, 'The body has a key "__proto__", which no call takes; nothing was changed.');
}
