import type { FastifyRequest } from 'fastify';
import { ApiError } from './api-error.js';
import { pathOf } from './error-reply.js';
import type { Route } from './route.js';

/** The error for a request that no route takes: 405 with the allowed methods where the path is known, else 404. */
export function unknownRoute(routes: readonly Route[]): (request: FastifyRequest) => ApiError {
  const known = new Map<string, { readonly pattern: RegExp; readonly methods: string[] }>();
  for (const { method, path } of routes) {
    const entry = known.get(path) ?? { pattern: patternOf(path), methods: [] };
    // Fastify answers HEAD wherever it answers GET.
    entry.methods.push(...(method === 'GET' ? ['GET', 'HEAD'] : [method]));
    known.set(path, entry);
  }
  return (request) => {
    const path = pathOf(request);
    const match = [...known.values()].find(({ pattern }) => pattern.test(path));
    if (match === undefined) {
      return new ApiError(
        1006,
        `There is nothing at ${path.slice(0, 200)}; the API documentation lists the paths.`,
      );
    }
    const allowed = match.methods.join(', ');
    return new ApiError(
      1025,
      `${request.method} is not possible here; ${path.slice(0, 200)} takes ${allowed}.`,
      {
        status: 405,
        headers: { allow: allowed },
      },
    );
  };
}

function patternOf(path: string): RegExp {
  const parts = path.split('/').map((part) => (part.startsWith(':') ? '[^/]+' : part.replaceAll('.', '\\.')));
  return new RegExp(`^${parts.join('/')}/?$`);
}
