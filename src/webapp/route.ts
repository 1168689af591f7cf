import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Access, Visitor } from './guard.js';

/** One door: who may pass it and what is behind it. A route cannot be made without saying who may pass. */
export type Route = OpenRoute | GuardedRoute | LooseRoute;

type Door = {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** As Fastify writes it: `/v1/services/message/gc/:id`. */
  readonly path: string;
};

export type OpenRoute = Door & {
  readonly access: 'open';
  readonly handle: (request: FastifyRequest, reply: FastifyReply) => unknown;
};
export type GuardedRoute = Door & {
  readonly access: Exclude<Access, 'open'>;
  readonly unconfirmed?: 'refused';
  readonly handle: (request: FastifyRequest, reply: FastifyReply, visitor: KnownVisitor) => unknown;
};
/** Lets a well-signed token in while the database cannot be reached; the handler must look at `visitor.kind`. */
export type LooseRoute = Door & {
  readonly access: Exclude<Access, 'open'>;
  readonly unconfirmed: 'pass';
  readonly handle: (request: FastifyRequest, reply: FastifyReply, visitor: Visitor) => unknown;
};
export type KnownVisitor = Extract<Visitor, { readonly kind: 'known' }>;

/** `PUT_v1_services_message_gc`: the verb and the path, as the original labels its meters. */
export function methodLabel(method: string, path: string): string {
  return `${method}${path.replaceAll(':', '').replaceAll('/', '_')}`;
}
