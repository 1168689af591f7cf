/**
 * Looks like a PostgreSQL server to a driver, asks for a password and refuses it: with real servers that depends on
 * their pg_hba.conf.
 */
import { type AddressInfo, createServer } from 'node:net';

export type RefusingServer = { readonly port: number; close(): Promise<void> };

/** `R` with code 3: send the password as it is. */
const askForPassword = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]);

function refusal(words: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C28P01\0M${words}\0\0`, 'utf8');
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, fields]);
}

export async function startRefusingServer(): Promise<RefusingServer> {
  const server = createServer((socket) => {
    let isAsked = false;
    socket.on('error', () => socket.destroy());
    // The first packet is the start-up, the second the password.
    socket.on('data', () => {
      if (isAsked) socket.end(refusal('password authentication failed for user "postgres"'));
      else socket.write(askForPassword);
      isAsked = true;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
