/** `/v1/settings/application`, for admins. Each change is made to what is there then, so that none is lost to another Webapp's. */
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

  async function change(
    toWhat: (before: ApplicationSettings) => ApplicationSettings | ApiError,
  ): Promise<void> {
    let answer: ApplicationSettings | ApiError = defaultSettings;
    let urlBefore = '';
    const changing = deps.home.changeSettings((before) => {
      urlBefore = before.webhookUrl;
      answer = toWhat(before);
      return answer instanceof ApiError ? null : answer;
    });
    await within(changing, storeDeadlineMs, 'save the settings');
    // Thrown here: inside, it would be taken for an error of the database.
    if (answer instanceof ApiError) throw answer;
    deps.settingsChanged(answer);
    if (answer.webhookUrl !== urlBefore) tellOfUrl(answer.webhookUrl);
  }

  async function patch(request: FastifyRequest): Promise<unknown> {
    await changes.run(() =>
      change((before) => {
        const answer = patchSettings(before, request.body, { requireHttps: deps.settings.requireHttps });
        return answer.kind === 'refused' ? new ApiError(answer.code, answer.details) : answer.settings;
      }),
    );
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
        await changes.run(() => change(() => defaultSettings));
        deps.log.info({}, 'the settings were reset');
        return { meta };
      },
    },
  ];
}

export function isPlain(url: string): boolean {
  return /^http:/i.test(url);
}
