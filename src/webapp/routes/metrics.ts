/** `GET /metrics`: the original's JSON, or Prometheus text when it is asked for. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { metricsFormat, metricsReply, unknownFormat } from '../../wire/metrics-reply.js';
import { ApiError } from '../api-error.js';
import type { WebappDeps } from '../deps.js';
import type { Route } from '../route.js';

export function metricsRoutes(deps: WebappDeps): readonly Route[] {
  async function metrics(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { format } = request.query as { readonly format?: unknown };
    switch (metricsFormat(format, request.headers.accept ?? '')) {
      case 'json':
        return metricsReply(await deps.metrics.readings());
      case 'prometheus': {
        const { contentType, body } = await deps.metrics.text();
        reply.header('content-type', contentType);
        return body;
      }
      case null:
        throw new ApiError(1009, unknownFormat);
    }
  }
  return [{ method: 'GET', path: '/metrics', access: 'token', handle: metrics }];
}
