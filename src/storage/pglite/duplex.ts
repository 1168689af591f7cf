/**
 * The connection that `pg` uses in place of a socket: a Duplex whose other end is the database thread, with the few
 * methods of `net.Socket` that `pg` calls. One stream is one session.
 */
import { Duplex } from 'node:stream';

/** The other end, as this stream sees it. */
export interface SessionDoor {
  /** Resolves to the session's number when the database takes messages; rejects when it cannot be started. */
  open(stream: SessionStream): Promise<number>;
  send(session: number, bytes: Uint8Array): void;
  leave(session: number): void;
}

export class SessionStream extends Duplex {
  readonly #door: SessionDoor;
  #session: number | null = null;

  constructor(door: SessionDoor) {
    super();
    this.#door = door;
  }

  /** Port and host mean nothing here. Emits `connect`, or `error` and `close`. */
  connect(): this {
    this.#door.open(this).then(
      (session) => {
        if (this.destroyed) {
          this.#door.leave(session);
          return;
        }
        this.#session = session;
        this.emit('connect');
      },
      (error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))),
    );
    return this;
  }

  /** An answer of the database. */
  answer(bytes: Uint8Array): void {
    if (!this.destroyed) this.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  override _read(): void {
    // Answers come when they come; nothing has to be asked for.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#send([chunk]);
    done();
  }

  // A corked group (parse, bind, execute, sync) goes over in one message: one turn of the thread instead of five.
  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: (error?: Error) => void): void {
    this.#send(chunks.map(({ chunk }) => chunk));
    done();
  }

  // `pg` ends its side and then waits for the server to close; here nobody else would close.
  override _final(done: (error?: Error) => void): void {
    done();
    this.destroy();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#session !== null) this.#door.leave(this.#session);
    this.#session = null;
    done(error);
  }

  #send(chunks: readonly Buffer[]): void {
    if (this.#session === null) return;
    // A fresh copy, to be moved: a Buffer is a window on a shared block that would be cloned whole.
    const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    this.#door.send(this.#session, bytes);
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setTimeout(): this {
    return this;
  }

  // The thread alone keeps the process alive, until it is closed.
  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}
