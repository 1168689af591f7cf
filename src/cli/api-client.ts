import { request as send } from 'undici';
import { Refusal } from '../core/errors.js';
import type { Reason } from '../core/reason.js';

/** A run as the API tells it, as far as the commands show it. */
export type ToldRun = {
  readonly id: string;
  readonly state: string;
  readonly messages_deleted: number;
  readonly progress: {
    readonly share: number | null;
    readonly rows_per_second: number | null;
    readonly eta_seconds: number | null;
  };
  readonly reason: Reason | null;
};

export interface ApiClient {
  request(
    method: 'GET' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: object,
  ): Promise<{ status: number; body: unknown }>;
  newestRun(): Promise<ToldRun | null>;
}

/** Logs in as a client of the API would and keeps the token. */
export async function createClient(url: string, user: string, password: string): Promise<ApiClient> {
  const login = await send(`${url}/v1/users/login`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
  });
  const answer = (await login.body.json()) as { users?: { token?: string }[] };
  const token = answer.users?.[0]?.token;
  if (token === undefined)
    throw new Refusal(
      'failed',
      `Login at ${url} was refused (${login.statusCode}): ${JSON.stringify(answer)}`,
    );
  const request: ApiClient['request'] = async (method, path, body) => {
    const response = await send(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.statusCode, body: await response.body.json() };
  };
  return {
    request,
    async newestRun() {
      const { body } = await request('GET', '/v1/services/message/gc');
      const told = body as { services?: { message?: { gc?: { runs?: ToldRun[] } } } };
      return told.services?.message?.gc?.runs?.[0] ?? null;
    },
  };
}
