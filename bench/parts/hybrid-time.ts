import pg from "pg";
import { connect } from "../../src/database/connect.ts";
import { Searcher } from "../../src/search/searcher.ts";
import { median } from "../median.ts";
import { atMost, type Section } from "../report.ts";
import { noteOf } from "../texts.ts";
import { askedBefore } from "./search-overhead.ts";

/** Of the notes' words: in all notes, in most, in many, and in few. */
const QUESTIONS: readonly { readonly name: string; readonly of: (note: number) => string }[] = [
  { name: "words of all notes and a number", of: (note) => `patient ${note}, seen on a day` },
  { name: "words of most notes", of: (note) => wordsOf(note).slice(8, 16).join(" ") },
  { name: "a whole sentence", of: (note) => wordsOf(note).slice(5, 30).join(" ") },
];

/** The time of a search by meaning and by words, with an index of each. */
export async function hybridTime(
  url: string,
  size: number,
  questions: number,
  vectorOf: (question: number) => Float32Array,
): Promise<Section> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query("create index on patient_embeddings using gin (to_tsvector('english', context_text))");
    await client.query("vacuum analyze patient_embeddings");
  } finally {
    await client.end();
  }
  const db = connect({ databaseUrl: url, maxConnections: 2, ownSessions: true, plans: "chosen" });
  const searcher = new Searcher({
    db,
    providerOf: () => Promise.resolve(askedBefore(({ length }) => vectorOf(length))),
    timeoutMs: 10_000,
  });
  try {
    const results = [];
    for (const { name, of } of QUESTIONS) {
      const times: number[] = [];
      for (let i = 0; i < questions; i++) {
        const question = of(1 + Math.floor((i * size) / questions));
        await searcher.search("patient_embeddings", question, { limit: 10 });
        const started = performance.now();
        await searcher.search("patient_embeddings", question, { limit: 10 });
        times.push(performance.now() - started);
      }
      results.push({ name, ms: median(times), longest: Math.max(...times) });
    }
    return {
      title: `A search of ${size} notes by meaning and words, one at a time, ms`,
      columns: ["", "median", "longest"],
      rows: results.map(({ name, ms, longest }) => [name, ms, longest]),
      bars: results.map(({ name, ms }) => atMost(`${name}: at most 30 ms`, ms, 30, " ms")),
    };
  } finally {
    await db.destroy();
  }
}

function wordsOf(note: number): string[] {
  return noteOf(note).split(" ");
}
