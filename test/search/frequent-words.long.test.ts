import { sql } from "kysely";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { loadSearched } from "../../src/search/searched.ts";
import { waysTo } from "../../src/search/words/parsed-by-index.ts";
import { rankByWords } from "../../src/search/words/rank-by-words.ts";
import { lexemesOf } from "../../src/search/words/word-weights.ts";
import { ProviderError } from "../../src/providers/provider-error.ts";
import { Searcher } from "../../src/search/searcher.ts";
import { prepare } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { questionProvider } from "../support/searching.ts";

vi.setConfig({ testTimeout: 180_000 });

/** All notes say that a patient was seen, most that the pulse is normal, and few anything else. */
const NOTES = `select n, 'Patient seen.' || case when n % 10 > 0 then ' Pulse normal.' else '' end
    || case n when 70 then ' Takes apixaban.' when 80 then ' Apixaban again; apixaban stopped.' else '' end
  from generate_series(1, 12000) n`;

test("Words that are in most texts find rows by the index, and without reading every text", async () => {
  const { client, database } = await prepare();
  await client.query(`
    alter table patient_embeddings disable trigger user;
    insert into patient_embeddings (patient_id, context_text) ${NOTES};
    alter table patient_embeddings enable trigger user;
    create index patient_words on patient_embeddings using gin (to_tsvector('english', context_text));
    analyze patient_embeddings;
    create table counted_of_client (); create table counted_of_searches ()`);
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(async () => {
    await db.destroy();
    await client.query("drop index patient_words; drop table counted_of_client, counted_of_searches");
  });
  const { keyed, wordIndexes } = await loadSearched(db, "patient_embeddings");
  const [index] = wordIndexes;
  if (index === undefined) throw new Error("there is no index of the words");
  const { language } = index;
  const found = async (asked: string): Promise<string[]> => {
    const lexemes = await lexemesOf(db, language, asked);
    const search = {
      lexemes,
      language,
      index,
      cutsTexts: false,
      readsAll: false,
      condition: undefined,
      limit: 60,
    };
    return (await rankByWords(db, keyed, search)).matches.map(({ key }) => key);
  };
  const scansOf = async (table: string): Promise<number> => {
    const { rows } = await client.query<{ scans: number }>(
      "select pg_stat_get_numscans($1::regclass)::int as scans, pg_stat_clear_snapshot()",
      [table],
    );
    return rows[0]?.scans ?? 0;
  };
  /**
   * Waits until what a session has counted is to be seen: it reads a table of its own, which is counted with the rest.
   * Postgres 14 cannot be asked to count at once.
   */
  const whenCounted = async (table: string, read: () => Promise<unknown>): Promise<void> => {
    const scans = async () => {
      await read();
      return await scansOf(table);
    };
    await expect.poll(scans, { timeout: 30_000 }).toBeGreaterThan(0);
  };
  await whenCounted("counted_of_client", () => client.query("select from counted_of_client"));
  const before = await scansOf("patient_embeddings");
  // The rare word decides; what all texts have, does not.
  expect((await found("a patient seen who takes apixaban")).slice(0, 2).toSorted()).toEqual(["70", "80"]);
  expect((await found("apixaban, normal pulse"))[0]).toBe("80");
  for (const asked of ["patient seen", "was the pulse of the patient normal?", "patient xyzzy"])
    expect(await found(asked)).toHaveLength(60);
  // No text has both, and each has rows.
  const either = await found("pulse apixaban xyzzy");
  expect(either.slice(0, 2).toSorted()).toEqual(["70", "80"]);
  expect(await found("xyzzy")).toEqual([]);
  await whenCounted("counted_of_searches", () => sql`select from public.counted_of_searches`.execute(db));
  expect(await scansOf("patient_embeddings")).toBe(before);
});

test("If very many texts have all words of a question, the rows nearest by meaning are ranked by the words; with too few vectors, others too", async () => {
  const { client, database } = await prepare();
  const question = "patient seen";
  await client.query(
    `alter table patient_embeddings disable trigger user;
    insert into patient_embeddings (patient_id, context_text) select n, 'Patient seen.' from generate_series(1, 40000) n;
    alter table patient_embeddings enable trigger user;
    create index patient_words on patient_embeddings using gin (to_tsvector('english', context_text))`,
  );
  const near = `[${oracleVector(question, 8).join(",")}]`;
  await client.query(
    `update patient_embeddings set context_text = text, embedding = $1::vector + array_fill(distance, '{8}')::vector
    from (values (39997, 'A patient was seen; patient seen again.', 0), (39998, 'Nothing.', 0), (39999, 'Patient seen.', 9)) v(id, text, distance)
    where id = patient_id`,
    [near],
  );
  await client.query("vacuum analyze patient_embeddings");
  // One connection is enough.
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(async () => {
    await db.destroy();
    await client.query("drop index patient_words");
  });
  const embedding = questionProvider(8);
  const searcher = new Searcher({ db, providerOf: () => Promise.resolve(embedding), timeoutMs: 10_000 });
  const { hits, rankedBy } = await searcher.search("patient_embeddings", question, {});
  expect(rankedBy).toBe("meaning and words");
  // Three rows are embedded, and the limit is ten.
  expect(hits).toHaveLength(10);
  expect(hits[0]?.key).toBe("39997");
  const best = await searcher.search("patient_embeddings", question, { limit: 3 });
  expect(best.hits.map(({ key }) => key)).toEqual(["39997", "39999", "39998"]);
  const silent = { ...embedding, embed: () => Promise.reject(new ProviderError("unavailable", "away")) };
  const without = new Searcher({ db, providerOf: () => Promise.resolve(silent), timeoutMs: 10_000 });
  const found = await without.search("patient_embeddings", `${question} ?`, { limit: 60 });
  expect(found.rankedBy).toBe("words");
  expect(found.hits).toHaveLength(60);
});

test("A word of very many texts is read from the index only where nothing else is to be had; of a huge table, one that few texts have is", () => {
  const word = (lexeme: string, texts: number, of: number) => ({
    lexeme,
    texts,
    weight: Math.log(of / texts),
  });
  const common = [word("seen", 60_000, 100_000), word("patient", 90_000, 100_000)];
  expect(waysTo(common, false)).toEqual({ ways: [], areShort: true });
  expect(waysTo(common, true)).toMatchObject({ areShort: false });
  const { ways, areShort } = waysTo([word("apixaban", 10, 100_000), ...common], false);
  expect(areShort).toBe(true);
  // Of the rare word's rows, those that have the others too.
  expect(ways.map((held) => held.length)).toEqual([3]);
  // Of what is not among the most common words, Postgres knows no better.
  expect(waysTo([word("name", 60_000, 40_000_000)], false)).toMatchObject({ areShort: false });
});
