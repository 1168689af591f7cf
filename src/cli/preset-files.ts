import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { didYouMean } from '../kit/nearest-name.js';
import { Refusal } from '../core/errors.js';

/** A mapping that comes with message-gc. */
export type Preset = {
  readonly name: string;
  /** Its first line: which application, on which database. */
  readonly says: string;
  readonly text: string;
};

const folder = fileURLToPath(new URL('../../presets/', import.meta.url));
/** For tables that no preset knows. */
const template = 'template';

export function presets(): readonly Preset[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.yaml') && file !== `${template}.yaml`)
    .map((file) => file.slice(0, -'.yaml'.length))
    .sort()
    .map(read);
}

/** @param name null: the template for any table */
export function presetNamed(name: string | null): Preset {
  if (name === null) return read(template);
  const known = presets();
  const preset = known.find((one) => one.name === name);
  if (preset !== undefined) return preset;
  const names = known.map((one) => one.name);
  throw new Refusal(
    'configuration',
    `There is no preset "${name}", expected one of ${names.join(', ')}${didYouMean(name, names)}`,
  );
}

function read(name: string): Preset {
  const text = readFileSync(`${folder}${name}.yaml`, 'utf8');
  return { name, says: text.slice(0, text.indexOf('\n')).replace(/^#\s*/, ''), text };
}
