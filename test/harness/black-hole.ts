/** A way to a server on which a connection may die without a word: nothing arrives any more, not even its end. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type BlackHole = { readonly url: string; close(): Promise<void> };

/**
 * `url` names the server with its port; the answer names the same database by this way. The first connection on which
 * the client says something that matches is swallowed with it; the others, and new ones, stay as they are.
 */
export async function blackHole(url: string, match: RegExp): Promise<BlackHole> {
  const target = new URL(url);
  const open = new Set<Socket>();
  let isOver = false;
  const server = createServer({ noDelay: true }, (client) => {
    const far = connect({ host: target.hostname, port: Number(target.port || '3306'), noDelay: true });
    let isSwallowed = false;
    for (const socket of [client, far]) {
      open.add(socket);
      // A reset is a normal end here: `close` follows.
      socket.on('error', () => undefined);
      socket.on('close', () => open.delete(socket));
    }
    client.on('data', (bytes) => {
      if (!isOver && match.test(bytes.toString('latin1'))) {
        isOver = true;
        isSwallowed = true;
      }
      if (!isSwallowed) far.write(bytes);
    });
    far.on('data', (bytes) => isSwallowed || client.write(bytes));
    client.on('close', () => far.destroy());
    far.on('close', () => isSwallowed || client.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const there = new URL(url);
  there.hostname = '127.0.0.1';
  there.port = String((server.address() as AddressInfo).port);
  return {
    url: there.href,
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}
