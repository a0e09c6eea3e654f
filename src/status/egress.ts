import { sql } from "kysely";
import { isLoopback } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { SetupError } from "../errors.ts";
import { destinationOf, type Destination } from "../providers/destination.ts";
import type { ProviderConfig } from "../providers/provider-config.ts";
import { ProviderError } from "../providers/provider-error.ts";
import { rerankDestinationOf, type RerankDestination } from "../providers/rerank/rerank-destination.ts";
import type { RerankConfig } from "../providers/rerank/rerank-settings.ts";
import { loadSources } from "../sources/load-sources.ts";
import type { Source } from "../sources/source.ts";

/** What went to the provider, as `embedding_usage` has it. Bytes are not recorded. */
export interface SentUsage {
  readonly requests: number;
  /** As the provider charged them, or estimated where it says nothing. */
  readonly tokens: number;
  /** Rows whose vector came from the provider. */
  readonly rows: number;
}

export interface Egress {
  readonly source: string;
  /** `schema.table`; null where the source is broken. */
  readonly table: string | null;
  /** SQL over the table's columns: what is sent of a row; null where the source is broken. */
  readonly text: string | null;
  readonly in_chunks: boolean;
  readonly paused: boolean;
  /** The host that texts are sent to; null where they stay on this machine, or where nobody is known. */
  readonly host: string | null;
  readonly leaves:
    "another machine" | "this process only" | "this machine only" | "nothing now" | "not known";
  /** Null where the settings of this process have a fault. */
  readonly destination: Destination | null;
  /** That fault, and what to do. */
  readonly problem: string | null;
  /** Where a search sends its question and the texts of its rows, if it asks to rerank; null where no reranker is configured. */
  readonly reranker: RerankerEgress | null;
  readonly today: SentUsage;
  /** Today and the six days before, in UTC. */
  readonly last_7_days: SentUsage;
}

export type RerankerEgress = Pick<Egress, "host" | "leaves"> & { readonly destination: RerankDestination };

const NOTHING: SentUsage = { requests: 0, tokens: 0, rows: 0 };

/** What leaves for each source, by the settings of this process. Asks no provider. */
export async function readEgress(db: Database, config: ProviderConfig & RerankConfig): Promise<Egress[]> {
  const { usable, chunked, broken } = await loadSources(db);
  const usage = await readUsage(db);
  const reranker = rerankerEgress(config);
  const egress: Egress[] = [];
  for (const source of usable) {
    const inChunks = chunked.filter(({ embeddedBy }) => embeddedBy === source.id);
    const destination = await placeOfSource(config, source);
    const used = usage.get(source.id) ?? { today: NOTHING, last_7_days: NOTHING };
    for (const read of inChunks.length === 0 ? [source] : inChunks) {
      egress.push({
        source: read.name,
        table: `${read.schema}.${read.table}`,
        text: read.textExpression,
        in_chunks: inChunks.length > 0,
        paused: read.paused || source.paused,
        ...destination,
        reranker,
        ...used,
      });
    }
  }
  return [...egress, ...broken.map(({ id, name, problem }) => egressOfBroken(name, problem, usage.get(id)))];
}

/** The host that the texts of a source are sent to; null where they stay on this machine, or it is not known. */
export async function hostOf(config: ProviderConfig, source: Source): Promise<string | null> {
  return (await placeOfSource(config, source)).host;
}

/** Where texts go to be reranked; null where no reranker is configured. */
export function rerankerEgress(config: RerankConfig): RerankerEgress | null {
  const destination = rerankDestinationOf(config);
  return destination === undefined ? null : { ...placeOf(destination.address), destination };
}

function egressOfBroken(
  source: string,
  problem: string,
  used: Pick<Egress, "today" | "last_7_days"> = { today: NOTHING, last_7_days: NOTHING },
): Egress {
  const nothing = { table: null, text: null, host: null, destination: null, reranker: null } as const;
  return { source, ...nothing, in_chunks: false, paused: false, leaves: "nothing now", problem, ...used };
}

/** Where the texts of a source go, or why that is not known. */
export async function placeOfSource(
  config: ProviderConfig,
  source: Source,
): Promise<Pick<Egress, "host" | "leaves" | "destination" | "problem">> {
  try {
    const destination = await destinationOf(config, source);
    return { ...placeOf(destination.address), destination, problem: null };
  } catch (error) {
    if (!(error instanceof SetupError || error instanceof ProviderError)) throw error;
    const problem = error instanceof SetupError ? `${error.message} ${error.remedy}` : error.message;
    return { host: null, leaves: "not known", destination: null, problem };
  }
}

function placeOf(address: string | null): Pick<Egress, "host" | "leaves"> {
  if (address === null) return { host: null, leaves: "this process only" };
  const { hostname } = new URL(address);
  return isLoopback(hostname)
    ? { host: null, leaves: "this machine only" }
    : { host: hostname, leaves: "another machine" };
}

/** By `embedding_source.id`. */
async function readUsage(db: Database): Promise<ReadonlyMap<number, Pick<Egress, "today" | "last_7_days">>> {
  const { rows } = await sql<{ source_id: number; is_today: boolean } & SentUsage>`
    select u.source_id, w.is_today, sum(u.requests)::float8 as requests, sum(u.tokens)::float8 as tokens,
      sum(u.embedded)::float8 as rows
    from autoembed.embedding_usage u, (values (true), (false)) w(is_today)
    where u.day > (now() at time zone 'utc')::date - case when w.is_today then 1 else 7 end
    group by u.source_id, w.is_today`.execute(db);
  const usage = new Map<number, Pick<Egress, "today" | "last_7_days">>();
  for (const { source_id: id, is_today: isToday, ...sent } of rows) {
    const before = usage.get(id) ?? { today: NOTHING, last_7_days: NOTHING };
    usage.set(id, { ...before, [isToday ? "today" : "last_7_days"]: sent });
  }
  return usage;
}
