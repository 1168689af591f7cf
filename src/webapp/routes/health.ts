/** `/v1/health` for people and their monitoring, `/healthz` and `/readyz` for whoever starts and stops processes. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { StoreError } from '../../core/errors.js';
import { outlookWarnings } from '../../core/outlook.js';
import { type GatewayStatus, healthReply, nodesHealthReply } from '../../wire/health-reply.js';
import { ApiError } from '../api-error.js';
import { within } from '../deadline.js';
import type { WebappDeps } from '../deps.js';
import type { Visitor } from '../guard.js';
import type { Route } from '../route.js';
import { isPlain } from './settings.js';

/** Health answers soon even if the database hangs: whoever asks wants to know just that. */
const lookMs = 2_000;

const databaseAway =
  'The database does not answer this Webapp: the nodes are those that it saw last, and may be at work.';

export function healthRoutes(deps: WebappDeps): readonly Route[] {
  async function health(_request: FastifyRequest, _reply: FastifyReply, visitor: Visitor): Promise<unknown> {
    const { gateway, warnings } = deps.desk.health();
    // A stranger's token may have passed because it could not be looked up: it learns nothing but that.
    if (visitor.kind === 'unconfirmed') return replyWithoutDatabase(gateway, [], visitor.signed);
    try {
      const nodes = await nodesOf();
      const all = [...warnings, ...(await callbackWarnings()), ...(await scheduleWarnings())];
      return nodes === null ? healthReply(gateway, all) : nodesHealthReply(nodes, all);
    } catch (error) {
      if (error instanceof StoreError) return replyWithoutDatabase(gateway, warnings, true);
      throw error;
    }
  }

  /** In the form that the same question has while the database is there: clients walk over the nodes. */
  function replyWithoutDatabase(gateway: GatewayStatus, warnings: readonly string[], mayKnowNodes: boolean) {
    const seen = deps.desk.nodesLastSeen();
    if (seen === null) return healthReply(withoutDatabase(gateway), warnings);
    return nodesHealthReply(mayKnowNodes ? seen : [], [...warnings, databaseAway]);
  }

  async function nodesOf() {
    const asked = deps.desk.nodes();
    return asked === null ? null : within(asked, lookMs, 'list the nodes');
  }

  async function scheduleWarnings(): Promise<readonly string[]> {
    return outlookWarnings(await within(deps.outlook(), lookMs, 'read the schedule and past runs'));
  }

  async function callbackWarnings(): Promise<readonly string[]> {
    const [settings, waiting] = await within(
      Promise.all([deps.home.settings(), deps.outbox.waiting()]),
      lookMs,
      'read the settings and the number of callbacks',
    );
    if (settings.webhookUrl === '') {
      return [
        `No webhook URL is set, ${count(waiting)}. Set one with PATCH /v1/settings/application {"webhooks":{"url":"https://…"}}.`,
      ];
    }
    return isPlain(settings.webhookUrl)
      ? ['The webhook URL begins with http://, so callbacks can be read on their way.']
      : [];
  }

  function ready(_request: FastifyRequest, reply: FastifyReply): unknown {
    if (deps.desk.health().ready) return { status: 'ready' };
    reply.header('retry-after', '5');
    throw new ApiError(1011, 'The database is not usable yet; this instance goes on trying.');
  }

  return [
    { method: 'GET', path: '/v1/health', access: 'token', unconfirmed: 'pass', handle: health },
    { method: 'GET', path: '/healthz', access: 'open', handle: () => ({ status: 'alive' }) },
    { method: 'GET', path: '/readyz', access: 'open', handle: ready },
  ];
}

/** What the last question showed is newer than what the desk believes. */
function withoutDatabase(gateway: GatewayStatus): GatewayStatus {
  return gateway === 'connected' ? 'disconnected' : gateway;
}

function count(waiting: number): string {
  if (waiting === 0) return 'so callbacks will wait';
  return waiting === 1 ? '1 callback waits' : `${waiting} callbacks wait`;
}
