/**
 * One connection through the proxy: two sockets, and between them what is held back. It never rewrites bytes and
 * never reorders them: while something is held in a direction, all that follows in that direction waits behind it.
 */
import { connect, type Socket } from 'node:net';
import {
  ClientReader,
  type ClientUnit,
  type ServerMessage,
  ServerReader,
  type Statement,
} from './pg-wire.js';

export type Seen = Statement & { readonly connection: number; readonly applicationName: string };
export type Hit = {
  readonly seen: Seen;
  /** Lets held bytes go on. */
  release(): void;
  /** Ends the connection on both sides; held bytes are lost. */
  cut(): void;
};
export type Sprung = {
  readonly action: 'hold' | 'pass' | 'cut' | { readonly delayMs: number };
  readonly tell: (hit: Hit) => void;
};
export type LinkOwner = {
  spring(when: 'statement' | 'answer', seen: Seen): Sprung | null;
  note(seen: Seen): void;
  closed(): void;
};

export class Link {
  readonly #number: number;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #owner: LinkOwner;
  readonly #asked = new ClientReader();
  readonly #answered = new ServerReader();
  /** Held back, per direction; null: nothing is held. */
  #toServer: Buffer[] | null = null;
  #toClient: Buffer[] | null = null;
  /** Statements whose ReadyForQuery has not come, oldest first. */
  readonly #open: { readonly seen: Seen; answering: boolean }[] = [];
  #applicationName = '';
  #stalled = false;
  #broken = false;
  #serverDone = false;

  constructor(
    number: number,
    client: Socket,
    target: { readonly host: string; readonly port: number },
    owner: LinkOwner,
  ) {
    this.#number = number;
    this.#client = client;
    this.#owner = owner;
    this.#server = connect({ host: target.host, port: target.port, noDelay: true });
    client.on('data', (bytes) => {
      for (const unit of this.#asked.read(Buffer.from(bytes))) this.#ask(unit);
    });
    this.#server.on('data', (bytes) => {
      for (const message of this.#answered.read(Buffer.from(bytes))) this.#answer(message);
    });
    this.#server.on('end', () => {
      this.#serverDone = true;
      if (this.#toClient === null) client.end();
    });
    for (const socket of [client, this.#server]) {
      // A reset is a normal end here: `close` follows and is handled.
      socket.on('error', () => {
        this.#broken = true;
      });
      socket.on('close', () => {
        this.#broken = true;
        if (this.#stalled) return;
        // The server's last words are still on their way to the client: its own end closes the rest.
        if (socket === this.#server && this.#serverDone && !client.destroyed) return;
        this.cut();
      });
    }
  }

  cut(): void {
    this.#client.destroy();
    this.#server.destroy();
    this.#owner.closed();
  }

  stall(): void {
    this.#stalled = true;
    this.#client.pause();
    this.#server.pause();
  }

  goOn(): void {
    if (!this.#stalled) return;
    this.#stalled = false;
    // What ended while the network was gone is learnt now, as a reset.
    if (this.#broken) this.cut();
    this.#client.resume();
    this.#server.resume();
  }

  #ask(unit: ClientUnit): void {
    switch (unit.kind) {
      case 'encryption':
        this.#client.write('N');
        return;
      case 'startup':
        this.#applicationName = unit.applicationName;
        this.#send(unit.bytes);
        return;
      case 'cancel':
      case 'other':
        this.#send(unit.bytes);
        return;
      case 'statement': {
        const seen = {
          ...unit.statement,
          connection: this.#number,
          applicationName: this.#applicationName,
        };
        this.#owner.note(seen);
        this.#open.push({ seen, answering: false });
        const sprung = this.#owner.spring('statement', seen);
        if (sprung === null) this.#send(unit.bytes);
        else this.#strike(sprung, seen, 'toServer', unit.bytes);
        return;
      }
    }
  }

  #answer(message: ServerMessage): void {
    const open = this.#open[0];
    // Notices and parameter reports may come at any time and answer nothing.
    const isAnswer = message.type !== 'N' && message.type !== 'S' && message.type !== 'A';
    let sprung: Sprung | null = null;
    if (open !== undefined && isAnswer && !open.answering) {
      open.answering = true;
      sprung = this.#owner.spring('answer', open.seen);
    }
    if (message.type === 'Z') this.#open.shift();
    if (sprung === null || open === undefined) this.#tell(message.bytes);
    else this.#strike(sprung, open.seen, 'toClient', message.bytes);
  }

  #strike(sprung: Sprung, seen: Seen, direction: 'toServer' | 'toClient', bytes: Buffer): void {
    const pass = (): void => (direction === 'toServer' ? this.#send(bytes) : this.#tell(bytes));
    const hit: Hit = { seen, release: () => this.#release(direction), cut: () => this.cut() };
    if (sprung.action === 'pass') {
      pass();
    } else if (sprung.action === 'cut') {
      this.cut();
    } else {
      if (direction === 'toServer') this.#toServer ??= [];
      else this.#toClient ??= [];
      pass();
      if (sprung.action !== 'hold') setTimeout(() => hit.release(), sprung.action.delayMs);
    }
    sprung.tell(hit);
  }

  #release(direction: 'toServer' | 'toClient'): void {
    const held = direction === 'toServer' ? this.#toServer : this.#toClient;
    if (direction === 'toServer') this.#toServer = null;
    else this.#toClient = null;
    for (const bytes of held ?? []) {
      if (direction === 'toServer') this.#send(bytes);
      else this.#tell(bytes);
    }
    if (direction === 'toClient' && this.#serverDone) this.#client.end();
  }

  #send(bytes: Buffer): void {
    if (this.#toServer !== null) this.#toServer.push(bytes);
    else if (!this.#server.destroyed) this.#server.write(bytes);
  }

  #tell(bytes: Buffer): void {
    if (this.#toClient !== null) this.#toClient.push(bytes);
    else if (!this.#client.destroyed) this.#client.write(bytes);
  }
}
