/** Port that the words name. The original's control port, whatever ours listens on: scripts look for it. */
const controlPort = 6252;

/**
 * `errors[0].details` (code 1014) of a start that failed: the text of the driver that could not connect, one
 * sentence, and where to look.
 */
export function startFailureDetails(driverText: string, coreHost: string): string {
  const words = driverText.replace(/\s+/g, ' ').trim().replace(/\.+$/, '');
  return `${words}. Please check if wacore is running: ${coreHost}:${controlPort}`;
}
