import { sql } from "kysely";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { loadSearched } from "../../src/search/searched.ts";
import { rankByWords } from "../../src/search/words/rank-by-words.ts";
import { lexemesOf } from "../../src/search/words/word-weights.ts";
import { prepare } from "../support/listening.ts";

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
  const { keyed, languages } = await loadSearched(db, "patient_embeddings");
  const [language = ""] = languages;
  const found = async (asked: string): Promise<string[]> => {
    const lexemes = await lexemesOf(db, language, asked);
    const search = { lexemes, language, isIndexed: true, cutsTexts: false, condition: undefined, limit: 60 };
    return (await rankByWords(db, keyed, search)).map(({ key }) => key);
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
