// Several nodes of the product, each a process of its own, and one Webapp that is asked.
import { startCoreapp, startInstance } from './our-process.mjs';

const shared = {
  WA_APP_MULTICONNECT: '1',
  MESSAGE_GC_CLUSTER_SECRET: 'a secret of the benchmarks, long enough',
};

/**
 * @typedef {Awaited<ReturnType<typeof startCoreapp>>} Coreapp
 * @typedef {Awaited<ReturnType<typeof startCluster>>} Cluster
 */

/**
 * @param {string} databaseUrl
 * @param {number} size Coreapps, at full speed with one worker each
 * @param {Readonly<Record<string, unknown>>} [settings] as PATCH takes them
 */
export async function startCluster(databaseUrl, size, settings) {
  /** @type {(() => Promise<unknown>)[]} */
  const closers = [];
  const stop = async () => {
    // Together: a node that stops gives back what it holds, and nobody has to wait for another.
    await Promise.all(closers.map((close) => close()));
  };
  try {
    const webapp = await startInstance({ ...shared, DATABASE_URL: databaseUrl }, 'webapp');
    closers.push(() => webapp.stop());
    const ask = asking(webapp);
    // Before the nodes start: they look at their settings at each heartbeat only.
    if (settings !== undefined) await ask('PATCH', '/v1/settings/application', settings);
    /** @type {Coreapp[]} */
    const coreapps = [];
    for (let number = 1; number <= size; number += 1) {
      const coreapp = await startCoreapp({
        ...shared,
        DATABASE_URL: databaseUrl,
        COREAPP_HOSTNAME: `wacore${number}`,
        MESSAGE_GC_NODE_ID: String(number).padStart(12, '0'),
        MESSAGE_GC_PROFILE: 'full',
        MESSAGE_GC_WORKERS: '1',
      });
      closers.push(() => coreapp.stop());
      coreapps.push(coreapp);
    }
    return {
      coreapps,
      stop,
      /** Starts a run; answers its id, and how long the answer took. */
      async put() {
        const from = performance.now();
        const answer = await ask('PUT', '/v1/services/message/gc?confirm=true');
        return {
          run: answer.headers.get('x-request-id') ?? '',
          ms: performance.now() - from,
          /** @type {Record<string, { status?: string }>} */
          nodes: (await answer.json()).services.message.gc,
        };
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @param {{ url: string, token: string }} instance @returns {(method: string, path: string, body?: object) => Promise<any>} */
function asking({ url, token }) {
  return async (method, path, body) => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
    if (!answer.ok)
      throw new Error(`${method} ${path} was answered ${answer.status}: ${await answer.text()}`);
    return answer;
  };
}
