import { createHash, randomBytes } from 'node:crypto';

/**
 * `<host>:<12 hex>`. Nothing is kept on disk: the id is the start of SHA-256("<host>:<control port>"), because what
 * must be unique is the address that Webapps dial. A cloned disk so copies no name, and a restart keeps one.
 */
export function nodeName(host: string, controlPort: number, nodeId: string | undefined): string {
  const lower = host.toLowerCase();
  const id = nodeId ?? createHash('sha256').update(`${lower}:${controlPort}`).digest('hex').slice(0, 12);
  return `${lower}:${id}`;
}

/** A node for one foreground run: its own name, so that it never displaces the instance on the same host. */
export function passingNodeName(host: string): string {
  return `${host.toLowerCase()}:${randomBytes(6).toString('hex')}`;
}

/** 32 hex: a process start, a request, a store. */
export function newId(): string {
  return randomBytes(16).toString('hex');
}

/** A callback's id, the same for every sender and at every attempt, even if the ending is repeated after a fail-over. */
export function callbackId(run: string, node: string): string {
  return createHash('sha256').update(`${run}\n${node}`).digest('hex').slice(0, 32);
}
