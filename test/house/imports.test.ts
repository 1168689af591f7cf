import { describe, expect, it } from 'vitest';
import { cycles, doorFaults, importsOf } from './import-rules.js';
import { sourceFiles } from './source-files.js';

const file = (path: string, text: string) => ({ path, text });

describe('the rooms', () => {
  it('are left through doors that lead down only', () => {
    const files = sourceFiles('src');
    expect(files.length).toBeGreaterThan(10);
    expect(files.flatMap(importsOf).length).toBeGreaterThan(10);
    expect(doorFaults(files)).toEqual([]);
  });

  it('have no circles, between rooms or inside of them', () => {
    expect(cycles(sourceFiles('src'))).toEqual([]);
  });
});

describe('the test of the rooms', () => {
  it('sees every form of an import', () => {
    const text = [
      "import type { A } from './a.js';",
      "import {\n  b,\n  type C,\n} from '../kit/b.js';",
      "export { d } from './d.js';",
      "import './e.js';",
      "const f = await import('./f.js');",
      "new Worker(new URL('./g.js', import.meta.url));",
      "// import { h } from './h.js';",
      "/* import { i } from './i.js'; */",
      "import { join } from 'node:path';",
    ].join('\n');
    expect([...importsOf(file('src/core/x.ts', text))].sort()).toEqual([
      'src/core/a.ts',
      'src/core/d.ts',
      'src/core/e.ts',
      'src/core/f.ts',
      'src/core/g.ts',
      'src/kit/b.ts',
    ]);
  });

  it('lets files of one room meet, and every room use those below', () => {
    const files = [
      file('src/cli/main.ts', "import { a } from '../kit/a.js';\nimport { b } from '../app/b.js';"),
      file('src/storage/postgres/x.ts', "import { y } from '../ledger/y.js';"),
    ];
    expect(doorFaults(files)).toEqual([]);
  });

  it.each([
    ['core imports storage', 'src/core/a.ts', '../storage/b.js', 'core → storage leads up'],
    ['webapp imports coreapp', 'src/webapp/a.ts', '../coreapp/b.js', 'webapp → coreapp leads sideways'],
    ['storage imports config', 'src/storage/pg/a.ts', '../../config/b.js', 'storage → config leads sideways'],
    ['kit imports core', 'src/kit/a.ts', '../core/b.js', 'kit → core leads up'],
    ['a source imports a test', 'src/kit/a.ts', '../../test/b.js', 'outside of the rooms'],
  ])('is red when %s', (_words, path, target, fault) => {
    const faults = doorFaults([file(path, `import type { X } from '${target}';`)]);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(fault);
  });

  it('is red for a file in no room', () => {
    expect(doorFaults([file('src/utils/a.ts', '')])).toEqual(['src/utils/a.ts stands in no room']);
  });

  it('is red for a circle, also one of types', () => {
    const circle = [
      file('src/core/a.ts', "import type { B } from './b.js';"),
      file('src/core/b.ts', "import { c } from './c.js';"),
      file('src/core/c.ts', "import { a } from './a.js';"),
      file('src/core/d.ts', "import { a } from './a.js';"),
    ];
    expect(cycles(circle)).toEqual(['src/core/a.ts → src/core/b.ts → src/core/c.ts → src/core/a.ts']);
  });
});
