// The PUTs of a client at a steady rate, as their parent sees them.
import { fork } from 'node:child_process';
import { spread } from './figures.mjs';

/**
 * @param {import('./put-load-process.mjs').PutLoadOptions} options
 * @returns {Promise<ReturnType<typeof spread> & { refused: number }>} milliseconds
 */
export async function putLoad(options) {
  const child = fork(new URL('put-load-process.mjs', import.meta.url), { serialization: 'advanced' });
  const records = await new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`The client ended (${signal ?? code})`)));
    child.send(options);
  });
  const { took, refused } = /** @type {import('./put-load-process.mjs').PutLoadRecords} */ (records);
  return { ...spread(took), refused };
}
