import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { root } from './docs-pages.js';

/** What the tests of examples/ ask of the files there, read as systemd, Compose and Kubernetes read them. */

export type Tree = Readonly<Record<string, unknown>>;
/** A process that a file starts: the arguments after `message-gc`, and its environment ('' where a secret goes). */
export type Started = {
  readonly from: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
};

/** Documents of a YAML file, with merge keys; throws with the words of the first error. */
export function documents(path: string): readonly Tree[] {
  return parseAllDocuments(readFileSync(join(root, path), 'utf8'), { merge: true }).map((document) => {
    for (const error of document.errors) throw error;
    return document.toJS() as Tree;
  });
}

/** The value below some keys; an object of no keys where there is none. */
export function at(tree: unknown, ...keys: readonly (string | number)[]): Tree {
  let found: unknown = tree;
  for (const key of keys) found = (found as Tree | undefined)?.[key];
  return (found ?? {}) as Tree;
}

/** `KEY=value` of an environment file; what is commented out is given as well when it is asked for. */
export function environmentFile(path: string, commented = false): Readonly<Record<string, string>> {
  const line = commented ? /^#?([A-Z_]+)=(.*)$/gm : /^([A-Z_]+)=(.*)$/gm;
  const text = readFileSync(join(root, path), 'utf8');
  return Object.fromEntries([...text.matchAll(line)].map((match) => [match[1] ?? '', match[2] ?? '']));
}

/** All values of a directive of a unit, in the order in which they stand. */
export function directive(unit: string, name: string): readonly string[] {
  return [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map((match) => match[1] ?? '');
}

/** What a unit starts, with the environment file beside it in the place of the installed one. */
export function startedByUnit(path: string): Started {
  const unit = readFileSync(join(root, path), 'utf8');
  const [node, program, ...args] = (directive(unit, 'ExecStart')[0] ?? '').split(' ');
  const [installed = ''] = directive(unit, 'WorkingDirectory');
  // The path below the folder of installation is one of the checkout.
  if (node !== '/usr/bin/node' || program?.startsWith(`${installed}/`) !== true)
    throw new Error(`${path} does not start node with a program of ${installed}`);
  if (!existsSync(join(root, program.slice(installed.length + 1)))) throw new Error(`There is no ${program}`);
  const env = directive(unit, 'Environment').map((pair) => pair.split(/=(.*)/).slice(0, 2));
  return {
    from: path,
    args,
    // systemd lets the file win.
    env: { ...Object.fromEntries(env), ...environmentFile('examples/systemd/message-gc.env') },
  };
}

/** The services of the Compose file that are message-gc, with the variables of .env left as they are written. */
export function startedByCompose(compose: Tree): readonly Started[] {
  return Object.entries(at(compose, 'services'))
    .filter(([, service]) => 'build' in at(service))
    .map(([name, service]) => ({
      from: `service ${name}`,
      args: at(service, 'command') as unknown as readonly string[],
      env: at(service, 'environment') as Readonly<Record<string, string>>,
    }));
}

type Variable = {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly secretKeyRef?: { readonly name: string; readonly key: string } };
};
export type Container = Started & {
  readonly tree: Tree;
  readonly port: Tree;
  readonly pod: Tree;
  readonly workload: Tree;
};

/** The containers of the workloads, with what the ConfigMap and the Secret give them. */
export function containers(manifests: readonly Tree[]): readonly Container[] {
  const given = (kind: string, name: unknown, part: string): Tree =>
    at(
      manifests.find((one) => one['kind'] === kind && at(one, 'metadata')['name'] === name),
      part,
    );
  return manifests
    .filter((one) => 'template' in at(one, 'spec'))
    .flatMap((workload) => {
      const pod = at(workload, 'spec', 'template', 'spec');
      return (pod['containers'] as readonly Tree[]).map((tree) => {
        const env: Record<string, string> = {};
        for (const source of (tree['envFrom'] ?? []) as readonly Tree[])
          Object.assign(env, given('ConfigMap', at(source, 'configMapRef')['name'], 'data'));
        for (const { name, value, valueFrom } of tree['env'] as readonly Variable[]) {
          const from = valueFrom?.secretKeyRef;
          const known = from === undefined ? value : given('Secret', from.name, 'stringData')[from.key];
          if (from !== undefined && known === undefined)
            throw new Error(`${name}: the Secret has no ${from.key}`);
          env[name] = typeof known === 'string' ? known : '';
        }
        const args = tree['args'] as readonly string[];
        return {
          from: String(at(workload, 'metadata')['name']),
          args,
          env,
          tree,
          port: at(tree, 'ports', 0),
          pod,
          workload,
        };
      });
    });
}
