import { Argument, type Command } from 'commander';
import { environment } from '../../config/environment.js';
import { readConfig } from '../../config/read-config.js';
import { Refusal } from '../../core/errors.js';
import { shownKey } from '../../core/hold-key.js';
import { type Mapping, nameOf, ownMapping } from '../../core/mapping.js';
import type { HoldBook, HoldEntry } from '../../core/ports.js';
import { createOutput } from '../output.js';
import { withStore } from '../with-store.js';

type Options = { readonly key?: readonly string[]; readonly contact?: string; readonly json?: boolean };

export function register(program: Command): void {
  program
    .command('hold')
    .description('Keep messages whatever their age: add to the hold list, remove from it, or list it.')
    .addArgument(new Argument('<action>', 'what to do').choices(['add', 'remove', 'list']))
    .option(
      '--key <value>',
      'the key of one message, as text; once for each column of the key',
      (value: string, before: readonly string[] | undefined) => [...(before ?? []), value],
    )
    .option('--contact <value>', 'all messages of this contact')
    .option('--json', 'print one JSON line')
    .action(async (action: string, options: Options) => {
      const config = readConfig(environment);
      const output = createOutput({ json: options.json === true });
      if (action === 'list') {
        await withStore(config, { migrate: false }, async ({ holds }) => {
          const list = await holds.list();
          output.printJson({
            holds: list.map(({ kind, value, by, at }) => ({ kind, value, by, at: at.toISOString() })),
          });
          if (list.length === 0) output.print('nothing is on the hold list');
          for (const entry of list)
            output.print(`${shown(entry)}  by ${entry.by} at ${entry.at.toISOString()}`);
        });
        return;
      }
      const mapping = config.mapping ?? ownMapping;
      mustNameOne(options, mapping.key);
      if (action === 'add' && options.contact !== undefined) mustKnowContacts(mapping);
      await withStore(config, { migrate: true }, async ({ holds }) => {
        const { entry, isThere } = await entryOf(holds, mapping, options);
        if (action === 'remove') {
          const removed = await holds.remove(entry);
          output.printJson({ removed });
          output.print(
            removed ? `${shown(entry)} is not held any more` : `${shown(entry)} was not on the hold list`,
          );
          return;
        }
        await holds.add(entry, 'cli');
        output.printJson({ held: entry, is_there: isThere });
        output.print(
          `${shown(entry)} is held: from now on no batch deletes a message with exactly this ${entry.kind}`,
        );
        if (isThere === false) output.print('  no message has this key now');
      });
    });
}

/** Before anything connects: one key, or one contact. */
function mustNameOne({ key, contact }: Options, columns: readonly string[]): void {
  if ((key === undefined) === (contact === undefined)) {
    throw new Refusal(
      'configuration',
      'Say what is to be held: --key with the key of a message, or --contact with a contact; one of the two',
    );
  }
  if (key !== undefined && key.length !== columns.length) {
    throw new Refusal(
      'configuration',
      `--key was given ${key.length} times, expected ${columns.length}: once for each column of the key (${columns.join(', ')}), in that order`,
    );
  }
}

/** Otherwise the entry would be kept, and nothing held. */
function mustKnowContacts({ store, holdList }: Mapping): void {
  if (holdList !== null) return;
  throw new Refusal(
    'configuration',
    `The mapping of ${store} does not say which column is the contact, so a contact on the hold list would hold nothing. Add the line hold_list: {contact: COLUMN} to it, or hold single messages with --key. Nothing was changed`,
  );
}

/** `isThere`: whether a message has this key now; null for a contact, which is not looked for (it may have no index). */
async function entryOf(
  holds: HoldBook,
  mapping: Mapping,
  { key, contact }: Options,
): Promise<{ readonly entry: HoldEntry; readonly isThere: boolean | null }> {
  if (key === undefined) return { entry: { kind: 'contact', value: contact ?? '' }, isThere: null };
  const found = await holds.keyOf(mapping, key);
  if (found.kind === 'key') return { entry: { kind: 'key', value: found.value }, isThere: found.isThere };
  throw new Refusal(
    'configuration',
    `--key ${key.join(', ')} can be no key (${mapping.key.join(', ')}) of ${nameOf(mapping.table)}: ${found.words}. Nothing was changed`,
  );
}

function shown({ kind, value }: HoldEntry): string {
  return `${kind} ${shownKey(value)}`;
}
