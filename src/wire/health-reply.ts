import { type Meta, meta } from './meta.js';

/** `unregistered` of the original never occurs: there is no account to register. */
export type GatewayStatus = 'connected' | 'connecting' | 'disconnected' | 'uninitialized';

export type HealthReply = {
  readonly health: {
    readonly gateway_status: GatewayStatus;
    /** What a person should look at, a sentence each. Absent when there is nothing, as in the original. */
    readonly warnings?: readonly string[];
  };
  readonly meta: Meta;
};

export function healthReply(status: GatewayStatus, warnings: readonly string[]): HealthReply {
  return { health: { gateway_status: status, ...(warnings.length === 0 ? {} : { warnings }) }, meta };
}

/** `role` of the original; there are no masters here. */
export type NodeHealth = {
  readonly name: string;
  readonly gateway_status: GatewayStatus;
  readonly role: 'coreapp';
};
export type NodesHealthReply = {
  readonly health: Readonly<Record<string, Omit<NodeHealth, 'name'>>>;
  /** Beside the nodes, not among them: clients walk over `health`. */
  readonly warnings?: readonly string[];
  readonly meta: Meta;
};

/** In Multiconnect: a node each. */
export function nodesHealthReply(
  nodes: readonly NodeHealth[],
  warnings: readonly string[],
): NodesHealthReply {
  return {
    health: Object.fromEntries(
      nodes.map(({ name, gateway_status, role }) => [name, { gateway_status, role }]),
    ),
    ...(warnings.length === 0 ? {} : { warnings }),
    meta,
  };
}
