import {
  ParensNode,
  PostgresQueryCompiler,
  RawNode,
  type KyselyPlugin,
  type PluginTransformQueryArgs,
  type PluginTransformResultArgs,
  type QueryId,
  type QueryResult,
  type RootOperationNode,
  type UnknownRow,
} from "kysely";
import { PREPARED } from "./connect.ts";

/** Begins a statement that the application reads: the values of its rows are as its own parsers make them. */
export const READ_BY_APPLICATION = "/* read by the application */";

const SELECT = /^\s*(?:\/\* prepared \*\/)?\s*(?:select|with)\b/;
/** Such a CTE stands at the top of a statement only. */
const WRITES = /\b(?:insert into|update|delete from) autoembed\./;
const compiler = new PostgresQueryCompiler();

/**
 * Each row of ours comes as one JSON document. `pg.types.setTypeParser` holds for all of a process: without this, an application that reads
 * its own numbers or JSON in another way would change what we read of our tables. Nobody has a parser of the type `cstring`.
 */
export class ReadAsJson implements KyselyPlugin {
  readonly #read = new WeakSet<QueryId>();

  transformQuery({ node, queryId }: PluginTransformQueryArgs): RootOperationNode {
    const { sql: statement } = compiler.compileQuery(node, queryId);
    if (!SELECT.test(statement) || WRITES.test(statement)) return node;
    this.#read.add(queryId);
    const mark = statement.includes(PREPARED) ? PREPARED : "";
    return RawNode.create(
      [`${mark} select pg_catalog.textout(pg_catalog.row_to_json(r)::pg_catalog.text) as "row" from `, " r"],
      [ParensNode.create(node)],
    );
  }

  // An interface of Kysely's: it is awaited.
  async transformResult({ result, queryId }: PluginTransformResultArgs): Promise<QueryResult<UnknownRow>> {
    if (!this.#read.has(queryId)) return await Promise.resolve(result);
    return { ...result, rows: result.rows.map(({ row }) => JSON.parse(String(row)) as UnknownRow) };
  }
}
