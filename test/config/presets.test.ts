import { describe, expect, test } from 'vitest';
import { mappingFileOf, storeIn } from '../../src/config/mapping-file.js';
import { type Preset, presetNamed, presets } from '../../src/cli/preset-files.js';
import packageJson from '../../package.json' with { type: 'json' };

const known = presets();

function store({ name, text }: Preset, retention: string) {
  const file = mappingFileOf(`${name}.yaml`, text.replace(/^( +retention:)$/m, `$1 ${retention}`));
  if ('problems' in file) throw new Error(file.problems.join('\n'));
  return storeIn(file, name.includes('mysql') || name === 'android-sms-gateway' ? 'mysql' : 'postgresql');
}

test('the presets are those of the gateways that are known, and the package carries them', () => {
  expect(known.map(({ name }) => name)).toEqual([
    'android-sms-gateway',
    'chatwoot',
    'evolution-api',
    'evolution-api-mysql',
    'glific',
    'waha-gows',
  ]);
  expect(packageJson.files).toContain('presets');
});

describe.each([...known, presetNamed(null)].map((preset) => [preset.name, preset] as const))(
  '%s',
  (_name, preset) => {
    test('is refused as it stands, for its empty retention and nothing else', () => {
      const found = store(preset, '');
      expect('problems' in found ? found.problems : []).toEqual([
        expect.stringMatching(/:\d+: retention is empty, expected how long to keep/),
      ]);
    });

    test('is a mapping once its retention is filled in, with nothing switched on that is only offered', () => {
      const found = store(preset, '90d');
      if ('problems' in found) throw new Error(found.problems.join('\n'));
      expect(found.retentionSeconds).toBe(90 * 86_400);
      expect(found.mapping.holds).toEqual([]);
      expect(found.mapping.foreignKeys).toBe('checked');
      expect(found.mapping.processed).not.toMatch(/PENDING'|'2'|m\.state = 'Processed'/);
    });

    test('says in its first line what it is for, and in no line too much', () => {
      expect(preset.says).toMatch(/PostgreSQL|MySQL/);
      const long = preset.text.split('\n').filter((line) => line.length > 125);
      expect(long).toEqual([]);
    });

    test('is right also with all of its offers switched on, but for what comes later', () => {
      const on = preset.text
        .split('\n')
        .filter((line) => !/^ *off_by_default: true$/.test(line))
        .join('\n');
      const found = store({ ...preset, text: on }, '90d');
      expect('problems' in found ? found.problems : []).toEqual([]);
    });
  },
);

test('glific clears the reference of a reply before the message that it quotes goes', () => {
  const found = store(presetNamed('glific'), '90d');
  const first = 'mapping' in found ? found.mapping.dependents[0] : undefined;
  expect(first).toEqual({
    table: { schema: 'public', name: 'messages' },
    match: [{ column: 'context_message_id', message: 'id' }],
    action: 'set_null',
  });
});
