import { join } from "node:path";
import type pg from "pg";
import { connect } from "../../src/database/connect.ts";
import { openProvider } from "../../src/providers/provider-stack.ts";
import type { Provider } from "../../src/providers/provider.ts";
import type { SearchRequest } from "../../src/search/asked.ts";
import { Searcher } from "../../src/search/searcher.ts";
import { readCranfield, readNotes, type Collection, type Question } from "../collections.ts";
import { median } from "../median.ts";
import type { Bench } from "../part.ts";
import { atLeast, type Section } from "../report.ts";

const LIMIT = 10;
const BATCH = 32;
const WAYS: readonly (readonly [name: string, request: SearchRequest])[] = [
  ["by meaning", { hybrid: false }],
  ["by words", { weights: { words: 1 } }],
  ["by both", {}],
];

/** How well searches find, on collections with judgements, with the local model's vectors. */
export async function relevance(bench: Bench): Promise<Section[]> {
  const { collections: folder } = bench;
  if (folder === undefined)
    throw new Error("relevance needs --collections FOLDER, with cranfield/ and clinical-notes.csv");
  const provider = await openProvider({ backend: "local", timeoutMs: 600_000 });
  try {
    return [
      await measure(bench, provider, await readCranfield(join(folder, "cranfield")), (best) => [
        atLeast("Cranfield by both, nDCG@10 at least 0.365", best.ndcg, 0.365),
      ]),
      await measure(bench, provider, await readNotes(join(folder, "clinical-notes.csv")), (best) => [
        atLeast("notes by both, first place at least 0.90", best.first, 0.9),
        atLeast("notes by both, recall@10 at least 0.965", best.recall, 0.965),
      ]),
    ];
  } finally {
    await provider.close();
  }
}

interface Quality {
  readonly ndcg: number;
  readonly first: number;
  readonly recall: number;
}

async function measure(
  { server, progress }: Bench,
  provider: Provider,
  { name, documents, questions }: Collection,
  bars: (best: Quality) => Section["bars"],
): Promise<Section> {
  progress(`embedding ${name}`);
  const database = await server.template(name.toLowerCase(), provider.dimensions, 0, (client) =>
    fill(client, provider, documents),
  );
  const db = connect({ databaseUrl: server.urlOf(database), maxConnections: 2, ownSessions: true });
  try {
    const searcher = new Searcher({ db, providerOf: () => Promise.resolve(provider), timeoutMs: 60_000 });
    const rows = [];
    const qualities: Quality[] = [];
    for (const [way, request] of WAYS) {
      const measured = [];
      for (const question of questions) measured.push(await ask(searcher, question, request));
      const quality = mean(measured.map(({ quality }) => quality));
      qualities.push(quality);
      rows.push([way, quality.ndcg, quality.first, quality.recall, median(measured.map(({ ms }) => ms))]);
    }
    return {
      title: `${name}: ${questions.length} questions over ${documents.size} texts`,
      columns: ["", "nDCG@10", "first place", "recall@10", "ms a question"],
      rows,
      bars: bars(qualities.at(-1) ?? mean([])),
    };
  } finally {
    await db.destroy();
    await server.drop(database);
  }
}

async function fill(
  client: pg.Client,
  provider: Provider,
  documents: ReadonlyMap<number, string>,
): Promise<void> {
  const rows = [...documents].filter(([, text]) => text !== "");
  for (let first = 0; first < rows.length; first += BATCH) {
    const batch = rows.slice(first, first + BATCH);
    const { vectors } = await provider.embed(
      batch.map(([, text]) => text),
      "document",
      AbortSignal.timeout(600_000),
    );
    for (const [i, [id, text]] of batch.entries())
      await client.query("insert into patient_embeddings values ($1, $2, $3)", [
        id,
        text,
        `[${vectors.at(i).join(",")}]`,
      ]);
  }
  await client.query("create index on patient_embeddings using gin (to_tsvector('english', context_text))");
}

async function ask(
  searcher: Searcher,
  { text, relevant }: Question,
  request: SearchRequest,
): Promise<{ quality: Quality; ms: number }> {
  // The question's vector is there already.
  await searcher.search("patient_embeddings", text, { ...request, limit: 1, hybrid: false });
  const started = performance.now();
  const { hits } = await searcher.search("patient_embeddings", text, { ...request, limit: LIMIT });
  const ms = performance.now() - started;
  const found = hits.map(({ key }) => (relevant.has(Number(key)) ? 1 : 0));
  const gain = (gains: readonly number[]): number =>
    gains.reduce((sum, value, i) => sum + value / Math.log2(i + 2), 0);
  const ideal = gain(Array.from({ length: Math.min(LIMIT, relevant.size) }, () => 1));
  const hitsOf = found.filter((value) => value === 1).length;
  return { quality: { ndcg: gain(found) / ideal, first: found[0] ?? 0, recall: hitsOf / relevant.size }, ms };
}

function mean(qualities: readonly Quality[]): Quality {
  const of = (name: keyof Quality): number =>
    qualities.reduce((sum, quality) => sum + quality[name], 0) / qualities.length;
  return { ndcg: of("ndcg"), first: of("first"), recall: of("recall") };
}
