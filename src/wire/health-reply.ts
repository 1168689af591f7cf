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
