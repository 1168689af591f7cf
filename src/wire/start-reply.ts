import { type Meta, meta } from './meta.js';

/**
 * The answer to a PUT that started or joined a run. `services` is an object here and an array in the callback; both
 * as the original has it. Several Coreapps will answer with a map of nodes in the place of `gc`.
 */
export type StartReply = {
  readonly services: { readonly message: { readonly gc: { readonly status: 'processing' } } };
  readonly meta: Meta;
};

export function acceptedBySingle(): StartReply {
  return { services: { message: { gc: { status: 'processing' } } }, meta };
}
