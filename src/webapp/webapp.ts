/**
 * The front door: an HTTP server around the routes. Promises: every answer is the payload or the error envelope;
 * nothing that a client sends ends the process; `close` finishes what is being answered and never hangs.
 */
import { type FastifyInstance, type FastifyRequest, fastify } from 'fastify';
import { Refusal, wordsOf } from '../core/errors.js';
import type { WebappDeps } from './deps.js';
import { bodyLimit, headerLimit, replyToBrokenRequest, replyWithError } from './error-reply.js';
import { Guard, type Visitor } from './guard.js';
import { readJsonBodies } from './json-body.js';
import { methodLabel, type Route } from './route.js';
import { eventRoutes, newRunFeed } from './routes/events.js';
import { gcRoutes } from './routes/gc.js';
import { healthRoutes } from './routes/health.js';
import { metricsRoutes } from './routes/metrics.js';
import { settingsRoutes } from './routes/settings.js';
import { userRoutes } from './routes/users.js';
import { Tokens } from './tokens.js';
import { unknownRoute } from './unknown-route.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the guard; null behind open doors. */
    visitor: Visitor | null;
    /** For the meters: the code in the envelope. */
    errorCode: number | null;
  }
}

export type Address = { readonly host: string; readonly port: number };

export interface Webapp {
  /** Port 0: any free one. Resolves to the address in use; throws a Refusal when it cannot be had. */
  listen(address: Address): Promise<Address>;
  /** May be called more than once. */
  close(): Promise<void>;
  /** Fastify's way to send a request without a socket, for tests. */
  readonly inject: FastifyInstance['inject'];
}

/** A request must have arrived within this, headers and body, or its connection is closed. */
const requestTimeoutMs = 30_000;
/** Answers in hand get this long when the process stops. */
const drainMs = 2_000;

export async function createWebapp(deps: WebappDeps): Promise<Webapp> {
  const app = fastify({
    logger: false,
    bodyLimit,
    http: { maxHeaderSize: headerLimit },
    requestTimeout: requestTimeoutMs,
    routerOptions: { ignoreTrailingSlash: true },
    // Both together: while answers in hand are finished, new requests are still served, and then all is cut.
    return503OnClosing: false,
    forceCloseConnections: true,
    clientErrorHandler: (error, socket) => replyToBrokenRequest(error, socket, deps.log),
    frameworkErrors: (error, request, reply) => replyWithError(error, request, reply, deps.log),
  });
  const tokens = new Tokens(deps.home, deps.clock, deps.settings.jwtKey);
  const guard = new Guard(tokens, deps.home, deps.clock, deps.settings.allowUsers);
  const feed = newRunFeed(deps);
  const routes: readonly Route[] = [
    ...gcRoutes(deps),
    ...eventRoutes(deps, feed, guard),
    ...userRoutes(deps, tokens, guard),
    ...settingsRoutes(deps),
    ...healthRoutes(deps),
    ...metricsRoutes(deps),
  ];
  const inHand = countRequests(app, deps);
  readJsonBodies(app);
  app.setErrorHandler((error, request, reply) => replyWithError(error, request, reply, deps.log));
  const unknown = unknownRoute(routes);
  app.setNotFoundHandler((request) => {
    throw unknown(request);
  });
  for (const route of routes) addRoute(app, guard, route);
  app.addHook('preClose', () => {
    // Streams have no end of their own: it is given to them, or each stop would wait for them in vain.
    feed.close();
    return inHand.drained(drainMs);
  });
  await app.ready();

  let closing: Promise<void> | null = null;
  return {
    inject: app.inject.bind(app) as FastifyInstance['inject'],
    async listen({ host, port }) {
      try {
        await app.listen({ host, port });
      } catch (error) {
        throw new Refusal(
          'configuration',
          `Cannot listen on ${host}:${port}: ${wordsOf(error)}. Free the address or choose another with MESSAGE_GC_LISTEN.`,
          { cause: error },
        );
      }
      const bound = app.server.address();
      return bound === null || typeof bound === 'string'
        ? { host, port }
        : { host: bound.address, port: bound.port };
    },
    close() {
      closing ??= app.close();
      return closing;
    },
  };
}

function addRoute(app: FastifyInstance, guard: Guard, route: Route): void {
  const { method, path } = route;
  if (route.access === 'open') {
    app.route({ method, url: path, handler: async (request, reply) => route.handle(request, reply) });
    return;
  }
  const onRequest = async (request: FastifyRequest): Promise<void> => {
    const { authorization } = request.headers;
    request.visitor = await guard.admit(authorization, route.access, route.unconfirmed === 'pass');
  };
  app.route({
    method,
    url: path,
    onRequest,
    handler: async (request, reply) => {
      const { visitor } = request;
      if (visitor === null) throw new Error(`${method} ${path} was reached past its guard`);
      if (route.unconfirmed === 'pass') return route.handle(request, reply, visitor);
      if (visitor.kind === 'unconfirmed') throw visitor.error;
      return route.handle(request, reply, visitor);
    },
  });
}

/** Meters every answer, and knows how many requests are being answered. */
function countRequests(app: FastifyInstance, deps: WebappDeps): { drained(ms: number): Promise<void> } {
  let running = 0;
  let tellDrained = (): void => undefined;
  app.decorateRequest('visitor', null);
  app.decorateRequest('errorCode', null);
  // The framework times a reply only where somebody hears of its end; without this `elapsedTime` is always 0.
  app.addHook('onResponse', async () => undefined);
  app.addHook('onRequest', async (request, reply) => {
    running += 1;
    // Answers hold tokens, settings and counts of the moment: nothing for a cache.
    reply.header('cache-control', 'no-store');
    // 'close' comes once for every answer, sent or given up; hooks of the framework do not.
    reply.raw.once('close', () => {
      running -= 1;
      if (running === 0) tellDrained();
      deps.metrics.request({
        method: request.is404 ? 'unmatched' : methodLabel(request.method, request.routeOptions.url ?? ''),
        status: reply.raw.statusCode,
        errorCode: request.errorCode,
        durationMs: reply.elapsedTime,
      });
    });
  });
  return {
    drained: (ms) =>
      running === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            const timer = setTimeout(resolve, ms);
            tellDrained = () => {
              clearTimeout(timer);
              resolve();
            };
          }),
  };
}
