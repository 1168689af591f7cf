import {
  type KyselyPlugin,
  OperationNodeTransformer,
  type PluginTransformQueryArgs,
  type PluginTransformResultArgs,
  type QueryResult,
  type RootOperationNode,
  type SchemableIdentifierNode,
  type UnknownRow,
} from 'kysely';
import type { Tables } from '../ledger/tables.js';
import { ledgerPrefix } from './names.js';

const ours: Readonly<Record<keyof Tables, true>> = {
  ledger: true,
  run: true,
  request: true,
  span: true,
  tally: true,
  outbox: true,
  node: true,
  setting: true,
  user: true,
  revoked_token: true,
  hold: true,
};

/** The ledger says `run`; the table is `message_gc_run`. Aliases are no tables of ours and stay. */
export class TablePrefix implements KyselyPlugin {
  readonly #transformer = new PrefixTransformer();

  transformQuery({ node, queryId }: PluginTransformQueryArgs): RootOperationNode {
    return this.#transformer.transformNode(node, queryId);
  }

  async transformResult({ result }: PluginTransformResultArgs): Promise<QueryResult<UnknownRow>> {
    return result;
  }
}

class PrefixTransformer extends OperationNodeTransformer {
  protected override transformSchemableIdentifier(
    node: SchemableIdentifierNode,
    ...rest: [queryId?: Parameters<OperationNodeTransformer['transformNode']>[1]]
  ): SchemableIdentifierNode {
    const same = super.transformSchemableIdentifier(node, ...rest);
    const { name } = same.identifier;
    return name in ours
      ? { ...same, identifier: { ...same.identifier, name: `${ledgerPrefix}${name}` } }
      : same;
  }
}
