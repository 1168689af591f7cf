import pg from 'pg';
import { type Encryption, parseAddress } from './address.js';
import { isUntrusted } from '../untrusted.js';
import { wordsOf } from '../../core/errors.js';

type ConnectConfig = Omit<pg.PoolConfig, 'connectionString' | 'ssl' | 'Client'>;

/**
 * Connects to one address in the way of encryption that was accepted last. When the server refuses that one, the next
 * is tried, once each: `prefer` and `allow` have two.
 */
export class Connector {
  readonly #connectionString: string;
  readonly #ways: readonly [Encryption, ...Encryption[]];
  #at = 0;

  constructor(url: string) {
    const { connectionString, ways } = parseAddress(url);
    this.#connectionString = connectionString;
    this.#ways = ways;
  }

  pool(config: ConnectConfig, options?: string): { connect(): Promise<pg.PoolClient>; end(): Promise<void> } {
    const encryption = (): Encryption => this.#encryption;
    const made = new pg.Pool({
      ...config,
      connectionString: this.#withOptions(options),
      // The pool's own options are fixed when it is made.
      Client: class extends pg.Client {
        constructor(own: pg.ClientConfig = {}) {
          super({ ...own, ssl: encryption() });
        }
      },
    });
    // An idle connection that breaks is replaced at its next use; without a listener it would end the process.
    made.on('error', () => undefined);
    return { connect: () => this.#inSomeWay(() => made.connect()), end: () => made.end() };
  }

  /** One connection for somebody who ends it. */
  client(config: ConnectConfig, options?: string): Promise<pg.Client> {
    return this.#inSomeWay(async () => {
      const client = new pg.Client({
        ...config,
        connectionString: this.#withOptions(options),
        ssl: this.#encryption,
      });
      client.on('error', () => undefined);
      try {
        await client.connect();
      } catch (error) {
        await client.end().catch(() => undefined);
        throw error;
      }
      return client;
    });
  }

  get #encryption(): Encryption {
    return this.#ways[this.#at % this.#ways.length] ?? this.#ways[0];
  }

  async #inSomeWay<T>(connect: () => Promise<T>): Promise<T> {
    for (let left = this.#ways.length - 1; ; left -= 1) {
      const tried = this.#at;
      try {
        return await connect();
      } catch (error) {
        if (left === 0 || !isOfEncryption(error)) throw error;
        // Somebody who connected at the same time may have moved on already.
        if (tried === this.#at) this.#at += 1;
      }
    }
  }

  /** Options of the URL's own stay in front; the driver would let them replace ours. */
  #withOptions(ours: string | undefined): string {
    if (ours === undefined) return this.#connectionString;
    const whole = new URL(this.#connectionString);
    const theirs = whole.searchParams.get('options');
    whole.searchParams.set('options', theirs === null ? ours : `${theirs} ${ours}`);
    return whole.href;
  }
}

/** Refused because of how it was encrypted, as far as can be told: 28000 is "no entry in pg_hba.conf", with TLS or without. */
function isOfEncryption(error: unknown): boolean {
  const { code = '' } = (error ?? {}) as { readonly code?: unknown };
  return code === '28000' || code === 'EPROTO' || isUntrusted(String(code), wordsOf(error));
}
