/**
 * A PUT in Multiconnect: every Coreapp is asked at once, and each has its entry in the answer. An entry with errors
 * means "not known to have started"; the run goes on as soon as one node has started.
 */
import type { KnownNode, Ledger } from '../../core/ports.js';
import type { ControlCall } from '../../wire/control.js';
import type { NodeAnswer, NodeCaller } from './call-node.js';

/** A node that crashed stays in the answers, as an error, for so long after its last heartbeat. */
export const rememberedMs = 24 * 3_600_000;

export type FanOut = {
  /** The run that the nodes name; the request's own id when none started. */
  readonly runId: string;
  readonly joined: boolean;
  readonly nodes: readonly AskedNode[];
};
export type AskedNode = { readonly node: KnownNode; readonly answer: NodeAnswer };

/** Asks all nodes; an empty list when none is registered. Each has until `ms` is over. */
export async function fanOut(
  nodes: readonly KnownNode[],
  caller: NodeCaller,
  asked: Omit<ControlCall['start'], 'node'>,
  ms: number,
): Promise<FanOut> {
  const answers = await Promise.all(
    nodes.map(async (node) => ({ node, answer: await caller.start(node, asked, ms) })),
  );
  const started = answers.flatMap(({ answer }) => (answer.kind === 'processing' ? [answer] : []));
  const first = started[0];
  return {
    runId: first?.runId ?? asked.request,
    // The node that made the run says so; the others found it and say the same, because the request pins it.
    joined: first !== undefined && first.joined,
    nodes: answers,
  };
}

/** The Coreapps of a cluster, with the list last seen for when the database is away. */
export class NodeList {
  readonly #ledger: Pick<Ledger, 'nodes'>;
  #seen: readonly KnownNode[] = [];

  constructor(ledger: Pick<Ledger, 'nodes'>) {
    this.#ledger = ledger;
  }

  get seen(): readonly KnownNode[] {
    return this.#seen;
  }

  /** Throws StoreError when the database cannot be reached. */
  async read(): Promise<readonly KnownNode[]> {
    const nodes = await this.#ledger.nodes(rememberedMs);
    this.#seen = nodes.filter(({ address }) => address !== '');
    return this.#seen;
  }
}
