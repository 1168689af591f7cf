import { type ErrorCode, errorCodes } from '../wire/error-envelope.js';

/** An answer that refuses a request. Thrown by guards and routes, turned into an envelope by error-reply.ts alone. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  /** `status` only where it differs from the one that the code usually goes with. */
  constructor(
    code: ErrorCode,
    details: string,
    more: {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly cause?: unknown;
    } = {},
  ) {
    super(details, { cause: more.cause });
    this.name = 'ApiError';
    this.code = code;
    this.status = more.status ?? errorCodes[code].status;
    this.headers = more.headers ?? {};
  }
}
