/** A way to a server that takes a while: what it says arrives late, in order. A run over it lasts long enough to strike. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type SlowRoute = { readonly url: string; close(): Promise<void> };

/** `url` names the server with its port; the answer names the same database by the slow route. */
export async function slowRoute(url: string, ms: number): Promise<SlowRoute> {
  const target = new URL(url);
  const open = new Set<Socket>();
  const server = createServer({ noDelay: true }, (client) => {
    const far = connect({ host: target.hostname, port: Number(target.port), noDelay: true });
    const later = (then: () => void): void => void setTimeout(then, ms);
    for (const socket of [client, far]) {
      open.add(socket);
      // A reset is a normal end here: `close` follows.
      socket.on('error', () => undefined);
      socket.on('close', () => open.delete(socket));
    }
    client.on('data', (bytes) => far.write(bytes));
    client.on('close', () => far.destroy());
    far.on('data', (bytes) => later(() => client.write(bytes)));
    far.on('close', () => later(() => client.destroy()));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const slow = new URL(url);
  slow.hostname = '127.0.0.1';
  slow.port = String((server.address() as AddressInfo).port);
  return {
    url: slow.href,
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}
