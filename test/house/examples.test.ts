import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { parseAddress } from '../../src/config/address.js';
import { type Option, options, roles } from '../../src/config/options.js';
import { exitCodes } from '../../src/core/errors.js';
import { factsOfSources, found, sorted } from './docs-facts.js';
import { brokenLinks, missingPaths, pageText, root } from './docs-pages.js';
import {
  at,
  type Container,
  containers,
  directive,
  documents,
  environmentFile,
  type Started,
  startedByCompose,
  startedByUnit,
  type Tree,
} from './example-files.js';

const files = readdirSync(join(root, 'examples'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map(({ parentPath, name }) => join(parentPath, name).slice(root.length).split('\\').join('/'));
const named = (ending: string) => files.filter((path) => path.endsWith(ending));

const units = named('.service').map((path) => ({ path, text: pageText(path), started: startedByUnit(path) }));
const [compose = {}] = documents('examples/compose/compose.yaml');
const composed = startedByCompose(compose);
const manifests = named('.yaml')
  .filter((path) => path.startsWith('examples/kubernetes/'))
  .flatMap(documents);
const pods = containers(manifests);
const processes: readonly Started[] = [...units.map(({ started }) => started), ...composed, ...pods];

/** Where a process waits: its port, by the option of its role. */
function portOf({ args, env }: Started): number {
  const option = args.at(-1) === 'coreapp' ? options.controlListen : options.listen;
  return parseAddress(env[option.env] ?? option.default)?.port ?? -1;
}

const ofKind = (kind: string) => manifests.filter((one) => one['kind'] === kind);
const selected = (selector: Tree, { workload }: Container) => {
  const labels = at(workload, 'spec', 'template', 'metadata', 'labels');
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
};

describe('the examples', () => {
  it('are YAML, every file of them', () => {
    expect(named('.yaml').length).toBeGreaterThan(3);
    for (const path of named('.yaml')) expect(() => documents(path), path).not.toThrow();
  });

  it('start each role of a cluster, and no other, in each of the three ways', () => {
    for (const way of [units.map(({ started }) => started), composed, pods]) {
      for (const { from, args } of way) {
        expect(args.slice(0, 2), from).toEqual(['serve', '--role']);
        expect(roles, from).toContain(args[2]);
      }
      expect(sorted(way.map(({ args }) => args[2] ?? ''))).toEqual(['coreapp', 'webapp']);
    }
  });

  it('use commands and options that the program has', async () => {
    const { commands } = await factsOfSources();
    for (const { from, args } of processes) {
      const command = commands.find((one) => one.name() === args[0]);
      const flags = command?.options.map((option) => option.long) ?? [];
      expect(flags, from).toEqual(expect.arrayContaining(args.filter((word) => word.startsWith('--'))));
    }
  });

  it('set environment variables that are options', () => {
    const known = Object.values<Option>(options).map((option) => option.env);
    // POD_NAME is there for the one below it; the image of PostgreSQL reads its own.
    const others = ['POD_NAME', 'POSTGRES_DB', 'POSTGRES_USER', 'POSTGRES_PASSWORD'];
    const given = [
      ...processes.flatMap(({ env }) => Object.keys(env)),
      ...Object.keys(environmentFile('examples/systemd/message-gc.env', true)),
      ...Object.keys(environmentFile('examples/compose/.env.example')),
      ...[...ofKind('ConfigMap'), ...ofKind('Secret')].flatMap((one) =>
        Object.keys({ ...at(one, 'data'), ...at(one, 'stringData') }),
      ),
      ...Object.keys(at(compose, 'services', 'db', 'environment')),
      ...files.flatMap((path) => found(pageText(path), /\b((?:MESSAGE_GC|WA|COREAPP)_[A-Z_]+)\b/g)),
    ];
    expect(sorted(given).filter((name) => !known.includes(name) && !others.includes(name))).toEqual([]);
  });

  it('give one value to what every node of a cluster must share', () => {
    const shared = [options.databaseUrl, options.clusterSecret, options.multiconnect, options.retention];
    for (const way of [units.map(({ started }) => started), composed, pods]) {
      for (const { env } of shared) {
        const values = new Set(way.map((one) => one.env[env]));
        expect(values.size, env).toBe(1);
        expect([...values][0], env).toBeDefined();
      }
    }
  });

  it('hold no secret that somebody could leave as it is', () => {
    const secrets = [options.clusterSecret.env, options.adminPassword.env];
    for (const { from, env } of processes) {
      for (const name of secrets) expect(env[name] ?? '', `${from} ${name}`).toMatch(/^$|^\$\{\w+:\?.+\}$/);
    }
    expect(Object.values(environmentFile('examples/compose/.env.example'))).toEqual(['', '', '']);
    const asked = found(pageText('examples/compose/compose.yaml'), /\$\{(\w+):\?/g);
    expect(sorted(Object.keys(environmentFile('examples/compose/.env.example')))).toEqual(sorted(asked));
  });

  it('name images of this version', () => {
    const images = files.flatMap((path) => found(pageText(path), /\bmessage-gc:(\d[\w.]*)/g));
    expect(sorted(images)).toEqual([packageJson.version]);
  });

  it('have a page whose links and paths lead somewhere', () => {
    const page = { path: 'examples/README.md', text: pageText('examples/README.md') };
    expect([...brokenLinks(page), ...missingPaths(page)]).toEqual([]);
  });
});

describe('the units for systemd', () => {
  it('leave time for a stop, and do not start again what a restart cannot mend', () => {
    const closingMs = Number(
      /closingMs = ([\d_]+)/.exec(pageText('src/app/lifetime.ts'))?.[1]?.replaceAll('_', ''),
    );
    for (const { path, text } of units) {
      expect(Number(directive(text, 'TimeoutStopSec')[0]) * 1_000, path).toBeGreaterThan(closingMs);
      expect(directive(text, 'RestartPreventExitStatus')[0]?.split(' ').map(Number), path).toEqual([
        exitCodes.configuration,
        exitCodes.refused,
        exitCodes.displaced,
      ]);
      expect(directive(text, 'EnvironmentFile'), path).toEqual(['/etc/message-gc/message-gc.env']);
    }
  });
});

describe('the Compose file', () => {
  it('publishes the port on which the Webapp listens, on loopback alone, and no other', () => {
    for (const one of composed) {
      const service = at(compose, 'services', one.from.replace('service ', ''));
      const isWebapp = one.args.at(-1) === 'webapp';
      expect(service['ports'], one.from).toEqual(
        isWebapp ? [`127.0.0.1:${portOf(one)}:${portOf(one)}`] : undefined,
      );
      expect(JSON.stringify(at(service, 'healthcheck', 'test')), one.from).toContain(
        `http://127.0.0.1:${portOf(one)}/readyz`,
      );
      expect(Number.parseInt(String(service['stop_grace_period']), 10), one.from).toBeGreaterThan(20);
      expect(service, one.from).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
    }
  });

  it('names each Coreapp as its service, which Webapps look up', () => {
    for (const { from, env } of composed.filter(({ args }) => args.at(-1) === 'coreapp')) {
      expect(`service ${env['COREAPP_HOSTNAME']}`).toBe(from);
    }
  });

  it('asks for a database that its service makes', () => {
    const { POSTGRES_DB: name, POSTGRES_USER: user } = at(compose, 'services', 'db', 'environment');
    const url = composed[0]?.env['DATABASE_URL'];
    expect(url).toMatch(
      new RegExp(`^postgres://${String(user)}:\\$\\{POSTGRES_PASSWORD:.*\\}@db:5432/${String(name)}$`),
    );
  });

  it('is built from files that its Dockerfile may see', () => {
    const allowed = found(pageText('examples/Dockerfile.dockerignore'), /^!(.+)$/gm);
    const copied = found(pageText('examples/Dockerfile'), /^COPY (?!--from)(.+) \S+$/gm);
    expect(sorted(copied.flatMap((words) => words.split(' ')))).toEqual(sorted(allowed));
    for (const path of allowed) expect(readdirSync(root)).toContain(path);
    for (const part of ['bin', 'presets']) expect(packageJson.files, part).toContain(part);
  });
});

describe('the manifests for Kubernetes', () => {
  it.each(pods)('let $from answer its probes on the port on which it listens', (pod) => {
    const { port } = pod;
    expect(port['containerPort']).toBe(portOf(pod));
    expect(pod.env[pod.args[2] === 'coreapp' ? 'MESSAGE_GC_CONTROL_LISTEN' : 'MESSAGE_GC_LISTEN']).toMatch(
      /^0\.0\.0\.0:/,
    );
    const paths = { livenessProbe: '/healthz', startupProbe: '/healthz', readinessProbe: '/readyz' };
    for (const [probe, path] of Object.entries(paths))
      expect(at(pod.tree, probe, 'httpGet'), probe).toEqual({ path, port: port['name'] });
  });

  it.each(pods)('give $from no privileges, a disk that cannot be written, and time to stop', (pod) => {
    expect(pod.tree['securityContext']).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(pod.pod).toMatchObject({
      enableServiceLinks: false,
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(pod.pod['terminationGracePeriodSeconds']).toBeGreaterThan(20);
    expect(readFileSync(join(root, 'examples/Dockerfile'), 'utf8')).toContain(
      `USER ${String(at(pod.pod, 'securityContext')['runAsUser'])}:`,
    );
  });

  it('have a Service in front of each workload, with the port of its pods', () => {
    for (const pod of pods) {
      const services = ofKind('Service').filter((one) => selected(at(one, 'spec', 'selector'), pod));
      expect(services, pod.from).toHaveLength(1);
      const { port } = pod;
      expect(at(services[0], 'spec', 'ports', 0)).toEqual({
        name: port['name'],
        port: portOf(pod),
        targetPort: port['name'],
      });
      expect(selected(at(pod.workload, 'spec', 'selector', 'matchLabels'), pod)).toBe(true);
    }
  });

  it('name each Coreapp as its pod is looked up at the headless Service', () => {
    const [coreapp] = pods.filter(({ args }) => args.at(-1) === 'coreapp');
    const service = String(at(coreapp?.workload, 'spec')['serviceName']);
    expect(coreapp?.workload['kind']).toBe('StatefulSet');
    expect(coreapp?.env['COREAPP_HOSTNAME']).toBe(`$(POD_NAME).${service}`);
    // A variable is put into those that stand below it only.
    const names = Object.values(at(coreapp?.tree, 'env')).map((variable) => at(variable)['name']);
    expect(names.indexOf('POD_NAME')).toBeLessThan(names.indexOf('COREAPP_HOSTNAME'));
    const [headless] = ofKind('Service').filter((one) => at(one, 'metadata')['name'] === service);
    expect(headless?.['spec']).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true });
  });

  it('let Webapps alone through to the control port', () => {
    const [policy] = ofKind('NetworkPolicy');
    const guarded = pods.filter((pod) => selected(at(policy, 'spec', 'podSelector', 'matchLabels'), pod));
    expect(guarded.map(({ args }) => args[2])).toEqual(['coreapp']);
    const from = at(policy, 'spec', 'ingress', 0, 'from', 0, 'podSelector', 'matchLabels');
    expect(pods.filter((pod) => selected(from, pod)).map(({ args }) => args[2])).toEqual(['webapp']);
    expect(at(policy, 'spec', 'ingress', 0, 'ports', 0)['port']).toBe(guarded[0]?.port['name']);
  });
});
