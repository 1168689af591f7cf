/** One call to one Coreapp's control port, and what every way of failing is called. */
import { Agent, request } from 'undici';
import { wordsOf } from '../../core/errors.js';
import type { KnownNode } from '../../core/ports.js';
import {
  type ControlAnswer,
  type ControlCall,
  controlProtocol,
  isSignature,
  parseAnswer,
  signAnswer,
  signatureHeader,
  signCall,
  startPath,
} from '../../wire/control.js';

export type NodeAnswer =
  | { readonly kind: 'processing'; readonly runId: string; readonly joined: boolean }
  /** Nothing is known of a start: the transport's own words. */
  | { readonly kind: 'unreachable'; readonly words: string }
  /** The node lives and says why it does not start. */
  | { readonly kind: 'refused'; readonly words: string };

export interface NodeCaller {
  /** Never throws; answers within `ms`. */
  start(node: KnownNode, asked: Omit<ControlCall['start'], 'node'>, ms: number): Promise<NodeAnswer>;
  close(): Promise<void>;
}

const mostBytes = 64 * 1_024;

export function createNodeCaller(secret: string): NodeCaller {
  const agent = new Agent({ pipelining: 0, headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 0 } });
  return {
    async start(node, asked, ms) {
      const limit = new AbortController();
      const timer = setTimeout(() => limit.abort(), ms);
      const call: ControlCall = { protocol: controlProtocol, start: { ...asked, node: node.name } };
      const body = JSON.stringify(call);
      const signature = signCall(secret, body);
      try {
        const answer = await request(`http://${node.address}${startPath}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', [signatureHeader]: signature },
          body,
          dispatcher: agent,
          signal: limit.signal,
        });
        const text = await readAtMost(answer.body, mostBytes);
        if (answer.statusCode === 401) {
          return refused(
            `${node.name} has another cluster secret: give every node the same MESSAGE_GC_CLUSTER_SECRET`,
          );
        }
        if (!isSignature(answer.headers[signatureHeader], signAnswer(secret, signature, text))) {
          return refused(
            `What answers at ${node.address} (status ${answer.statusCode}) does not know the cluster secret: is it a Coreapp?`,
          );
        }
        return read(parseAnswer(text), node);
      } catch (error) {
        return {
          kind: 'unreachable',
          words: limit.signal.aborted ? 'Connection timed out' : innermost(error),
        };
      } finally {
        clearTimeout(timer);
      }
    },
    close: () => agent.destroy(),
  };
}

function read(answer: ControlAnswer | null, node: KnownNode): NodeAnswer {
  if (answer === null) return refused(`${node.name} sent an answer that this version cannot read`);
  if ('error' in answer) return refused(answer.error.words);
  if (answer.node !== node.name) return refused(`${answer.node} answered in the place of ${node.name}`);
  return { kind: 'processing', runId: answer.started.run, joined: answer.started.joined };
}

function refused(words: string): NodeAnswer {
  return { kind: 'refused', words };
}

async function readAtMost(body: AsyncIterable<Uint8Array>, most: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.byteLength;
    if (bytes > most) throw new Error(`The answer is longer than ${most} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** What the socket said: undici wraps it. */
function innermost(error: unknown): string {
  let inner: unknown = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  return wordsOf(inner);
}
