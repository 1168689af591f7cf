/** `/v1/settings/application`, for admins. Changes are made one after another, so that none is lost to another. */
import type { FastifyRequest } from 'fastify';
import { type ApplicationSettings, defaultSettings } from '../../core/settings.js';
import { meta } from '../../wire/meta.js';
import { patchSettings, settingsReply } from '../../wire/settings-reply.js';
import { ApiError } from '../api-error.js';
import { storeDeadlineMs, within } from '../deadline.js';
import type { WebappDeps } from '../deps.js';
import { Queue } from '../queue.js';
import type { Route } from '../route.js';

const path = '/v1/settings/application';

export function settingsRoutes(deps: WebappDeps): readonly Route[] {
  const changes = new Queue(1, 64);
  const load = () => within(deps.home.settings(), storeDeadlineMs, 'read the settings');

  async function save(settings: ApplicationSettings): Promise<void> {
    await within(deps.home.saveSettings(settings), storeDeadlineMs, 'save the settings');
    deps.settingsChanged(settings);
  }

  async function patch(request: FastifyRequest): Promise<unknown> {
    await changes.run(async () => {
      const before = await load();
      const answer = patchSettings(before, request.body, { requireHttps: deps.settings.requireHttps });
      if (answer.kind === 'refused') throw new ApiError(answer.code, answer.details);
      await save(answer.settings);
      if (answer.settings.webhookUrl !== before.webhookUrl) tellOfUrl(answer.settings.webhookUrl);
    });
    return { meta };
  }

  function tellOfUrl(url: string): void {
    if (url === '') deps.log.info({}, 'the webhook URL was cleared; callbacks wait until one is set');
    // The host only: paths and queries of webhook URLs often hold a secret.
    // The dispatcher, which uses it, warns of http://.
    else deps.log.info({ host: new URL(url).host }, 'the webhook URL was changed');
  }

  return [
    { method: 'GET', path, access: 'admin', handle: async () => settingsReply(await load()) },
    { method: 'PATCH', path, access: 'admin', handle: patch },
    {
      method: 'DELETE',
      path,
      access: 'admin',
      handle: async () => {
        await changes.run(() => save(defaultSettings));
        deps.log.info({}, 'the settings were reset');
        return { meta };
      },
    },
  ];
}

export function isPlain(url: string): boolean {
  return /^http:/i.test(url);
}
