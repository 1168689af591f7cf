import { formatAddress } from '../config/address.js';
import type { Config } from '../config/read-config.js';
import { Refusal } from '../core/errors.js';

const path = '/v1/services/message/gc';

/** The call that does the same as a command; without a body a GET. */
export type HttpCall = { readonly method: 'GET' | 'PATCH' | 'DELETE'; readonly body?: object };

/**
 * The embedded database takes one process: beside an instance a command cannot have it, and the instance can be asked
 * instead. The refusal then ends with the call to make.
 */
export async function orAskOverHttp<T>(config: Config, call: HttpCall, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isInUse =
      error instanceof Refusal &&
      error.reason === 'refused' &&
      config.database.engine === 'pglite' &&
      /\bin use by process\b/.test(error.message);
    if (!isInUse) throw error;
    const url =
      /\((https?:\/\/[^\s)]+)\)/.exec(error.message)?.[1] ?? `http://${formatAddress(config.listen)}`;
    throw new Refusal('refused', `${error.message}\nOver HTTP: ${curl(call, url)}`, { cause: error });
  }
}

function curl({ method, body }: HttpCall, url: string): string {
  const verb = method === 'GET' ? '' : ` -X ${method}`;
  const sent = body === undefined ? '' : ` -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`;
  return `curl${verb} -H "Authorization: Bearer $TOKEN"${sent} ${url}${path}`;
}
