/** Port that the words of a single instance name. The original's, whatever ours listens on: scripts look for it. */
export const publishedControlPort = 6252;

/**
 * `errors[0].details` (code 1014) of a start that failed: the text of the driver that could not connect, one
 * sentence, and where to look: `host:port`.
 */
export function startFailureDetails(driverText: string, address: string): string {
  const words = driverText.replace(/\s+/g, ' ').trim().replace(/\.+$/, '');
  return `${words}. Please check if wacore is running: ${address}`;
}
