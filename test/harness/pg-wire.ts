/**
 * Just enough of PostgreSQL's wire protocol (version 3) to know, between client and server, which statement is asked
 * and which answer belongs to it. Bytes are passed on as they came; nothing is rewritten.
 */

/** What a client asks in one go: a simple query, or everything up to Sync. */
export type Statement = {
  /** The SQL; several prepared at once are joined by a newline. '' for a unit without SQL (a bare Sync). */
  readonly text: string;
  /** The parameters as text, in their order; Kysely binds what the SQL does not show ("state" = $1). */
  readonly values: readonly string[];
};
export type ClientUnit =
  | { readonly kind: 'startup'; readonly bytes: Buffer; readonly applicationName: string }
  /** The client asks for TLS or GSS; answered with "no" by the proxy, so that what follows stays readable. */
  | { readonly kind: 'encryption'; readonly bytes: Buffer }
  | { readonly kind: 'cancel'; readonly bytes: Buffer }
  | { readonly kind: 'statement'; readonly bytes: Buffer; readonly statement: Statement }
  /** Password, Terminate, copy data: passed on, never trapped. */
  | { readonly kind: 'other'; readonly bytes: Buffer };

const sslRequest = 80_877_103;
const gssRequest = 80_877_104;
const cancelRequest = 80_877_102;

/** Cuts a client's byte stream into units; one per connection. */
export class ClientReader {
  #rest: Buffer = Buffer.alloc(0);
  #started = false;
  /** Extended-protocol messages that wait for their Sync or Flush. */
  #unit: Buffer[] = [];
  #texts: string[] = [];
  #values: string[] = [];
  readonly #prepared = new Map<string, string>();

  read(bytes: Buffer): ClientUnit[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const units: ClientUnit[] = [];
    for (;;) {
      const unit = this.#started ? this.#message() : this.#startup();
      if (unit === 'incomplete') return units;
      if (unit !== 'collected') units.push(unit);
    }
  }

  #cut(length: number): Buffer | null {
    if (this.#rest.length < length) return null;
    const message = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return message;
  }

  #startup(): ClientUnit | 'incomplete' {
    if (this.#rest.length < 8) return 'incomplete';
    const bytes = this.#cut(this.#rest.readInt32BE(0));
    if (bytes === null) return 'incomplete';
    const code = bytes.readInt32BE(4);
    if (code === sslRequest || code === gssRequest) return { kind: 'encryption', bytes };
    if (code === cancelRequest) return { kind: 'cancel', bytes };
    this.#started = true;
    const words = bytes.subarray(8).toString('utf8').split('\0');
    const at = words.indexOf('application_name');
    return { kind: 'startup', bytes, applicationName: at < 0 ? '' : (words[at + 1] ?? '') };
  }

  #message(): ClientUnit | 'incomplete' | 'collected' {
    if (this.#rest.length < 5) return 'incomplete';
    const bytes = this.#cut(1 + this.#rest.readInt32BE(1));
    if (bytes === null) return 'incomplete';
    switch (String.fromCharCode(bytes[0] ?? 0)) {
      case 'Q':
        return { kind: 'statement', bytes, statement: { text: textAt(bytes, 5).text, values: [] } };
      case 'P': {
        const name = textAt(bytes, 5);
        const { text } = textAt(bytes, name.next);
        this.#prepared.set(name.text, text);
        if (name.text === '') this.#texts.push(text);
        this.#unit.push(bytes);
        return 'collected';
      }
      case 'B': {
        const portal = textAt(bytes, 5);
        const name = textAt(bytes, portal.next);
        if (name.text !== '') this.#texts.push(this.#prepared.get(name.text) ?? '');
        this.#values.push(...boundValues(bytes, name.next));
        this.#unit.push(bytes);
        return 'collected';
      }
      case 'D':
      case 'E':
      case 'C':
        this.#unit.push(bytes);
        return 'collected';
      case 'H': {
        // Flush: asks for what is there without ending the unit; its SQL is told with the Sync that follows.
        const soFar = Buffer.concat([...this.#unit, bytes]);
        this.#unit = [];
        return { kind: 'other', bytes: soFar };
      }
      case 'S': {
        this.#unit.push(bytes);
        const statement = { text: this.#texts.join('\n'), values: this.#values };
        const whole = Buffer.concat(this.#unit);
        this.#unit = [];
        this.#texts = [];
        this.#values = [];
        return { kind: 'statement', bytes: whole, statement };
      }
      default:
        return { kind: 'other', bytes };
    }
  }
}

export type ServerMessage = {
  readonly bytes: Buffer;
  /** The message's letter: `C` CommandComplete, `E` error, `Z` ready for the next. */
  readonly type: string;
  /** CommandComplete's tag (`DELETE 500`), else ''. */
  readonly tag: string;
};

/** Cuts a server's byte stream into messages; one per connection. */
export class ServerReader {
  #rest: Buffer = Buffer.alloc(0);

  read(bytes: Buffer): ServerMessage[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const messages: ServerMessage[] = [];
    while (this.#rest.length >= 5) {
      const length = 1 + this.#rest.readInt32BE(1);
      if (this.#rest.length < length) break;
      const message = this.#rest.subarray(0, length);
      this.#rest = this.#rest.subarray(length);
      const type = String.fromCharCode(message[0] ?? 0);
      messages.push({ bytes: message, type, tag: type === 'C' ? textAt(message, 5).text : '' });
    }
    return messages;
  }
}

function textAt(bytes: Buffer, from: number): { readonly text: string; readonly next: number } {
  const end = bytes.indexOf(0, from);
  return { text: bytes.subarray(from, end).toString('utf8'), next: end + 1 };
}

/** The parameters of a Bind message; NULL as 'NULL', binary ones as their bytes in UTF-8, which no trap asks for. */
function boundValues(bytes: Buffer, from: number): string[] {
  let at = from;
  const formats = bytes.readInt16BE(at);
  at += 2 + 2 * formats;
  const count = bytes.readInt16BE(at);
  at += 2;
  const values: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < 0) {
      values.push('NULL');
    } else {
      values.push(bytes.subarray(at, at + length).toString('utf8'));
      at += length;
    }
  }
  return values;
}
