import { type Command, InvalidArgumentError } from 'commander';
import { formatReceived, startReceiver } from '../callback-receiver.js';
import { createOutput } from '../output.js';

type Options = { readonly host: string; readonly port: number; readonly json?: boolean };

export function register(program: Command): void {
  program
    .command('listen')
    .description('Receive callbacks, answer 200 and print what arrives. For trying things out.')
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port; 0 takes any free one', port, 9191)
    .option('--json', 'print each callback as one JSON line')
    .action(async (options: Options) => {
      const output = createOutput({ json: options.json === true });
      const receiver = await startReceiver({
        host: options.host,
        port: options.port,
        onCallback(received) {
          output.printJson(received);
          output.print(formatReceived(received));
        },
      });
      output.note(
        `listening on ${receiver.url}; set it with PATCH /v1/settings/application {"webhooks":{"url":"${receiver.url}"}}`,
      );
      await new Promise<void>((resolve) => {
        process.once('SIGINT', resolve);
        process.once('SIGTERM', resolve);
      });
      await receiver.close();
    });
}

function port(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65_535) throw new InvalidArgumentError('Expected a port, 0 to 65535.');
  return value;
}
