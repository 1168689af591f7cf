/** `GET /metrics`: the original's JSON, or Prometheus text when it is asked for. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { metricsReply } from '../../wire/metrics-reply.js';
import { ApiError } from '../api-error.js';
import type { WebappDeps } from '../deps.js';
import type { Route } from '../route.js';

export function metricsRoutes(deps: WebappDeps): readonly Route[] {
  async function metrics(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { format } = request.query as { readonly format?: unknown };
    if (format !== undefined && format !== 'prometheus' && format !== 'json') {
      throw new ApiError(1009, 'format is neither "prometheus" nor "json".');
    }
    if (format === 'prometheus' || (format === undefined && wantsText(request.headers.accept ?? ''))) {
      const { contentType, body } = await deps.metrics.text();
      reply.header('content-type', contentType);
      return body;
    }
    return metricsReply(await deps.metrics.readings());
  }
  return [{ method: 'GET', path: '/metrics', access: 'token', handle: metrics }];
}

/** Some HTTP clients always send `application/json, text/plain`: who takes JSON gets JSON, as from the original. */
function wantsText(accept: string): boolean {
  return (
    !/\bapplication\/json\b/i.test(accept) &&
    /\b(?:text\/plain|application\/openmetrics-text)\b/i.test(accept)
  );
}
