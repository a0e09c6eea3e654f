import { sql } from "kysely";
import pg from "pg";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { connect, type Database } from "../../src/database/connect.ts";
import { overPool } from "../../src/database/over-pool.ts";
import { ProviderError, type ProviderErrorKind } from "../../src/providers/provider-error.ts";
import { Searcher } from "../../src/search/searcher.ts";
import { parseQuestion } from "../../src/search/words/parse-question.ts";
import { apart } from "../../src/search/words/parsed-by-index.ts";
import { prepare, type Listening } from "../support/listening.ts";
import { find, questionProvider } from "../support/searching.ts";

vi.setConfig({ testTimeout: 180_000 });

let on: Listening;
let db: Database;
beforeEach(async () => {
  on = await prepare();
  db = connect({ databaseUrl: on.database.url, maxConnections: 2, ownSessions: true });
  onTestFinished(() => db.destroy());
});

/** Notes that nobody embeds, unless they bring a vector. */
async function notes(rows: string, text = "body"): Promise<void> {
  await on.client.query(`
    drop table if exists public.notes;
    create table public.notes (id bigint primary key, body text, n text, embedding vector(8));
    insert into public.notes (id, body, n) ${rows};
    create index on public.notes using gin (to_tsvector('english', body));
    analyze public.notes;
    select autoembed.watch('public.notes', $$${text}$$, source_name => 'notes')`);
}

const byWords = { hybrid: true, weights: { words: 1 }, limit: 3 };
const keys = (hits: readonly { readonly key: string }[]): string[] => hits.map(({ key }) => key);

test("A word that no text has hides no text that has the others", async () => {
  await notes(
    "select i, 'common paper ' || i, '1' from generate_series(1, 3000) i union all select 9999, 'zebra crossing', '1'",
  );
  expect(keys(await find(db, "notes", "qwertz zebra", byWords))).toEqual(["9999"]);
  expect(keys(await find(db, "notes", "qwertz wertzu paper", byWords))).toHaveLength(3);
});

test("Words that are estimated alike are looked for alike", () => {
  const word = (lexeme: string, texts: number) => ({ lexeme, texts, weight: 1 / texts });
  const asked = [word("a", 3_000), word("b", 3_000), word("c", 9_000)];
  const { rare, frequent } = apart(asked);
  expect(rare.map(({ lexeme }) => lexeme)).toEqual(["a", "b"]);
  expect(frequent.map(({ lexeme }) => lexeme)).toEqual(["c"]);
});

test("Of many texts that have the one word, the shortest comes first, with an index as without one", async () => {
  await notes(
    "select i, 'a printer among many other words ' || i, '1' from generate_series(1, 500) i union all select 9999, 'printer', '1'",
  );
  const indexed = await find(db, "notes", "printer", byWords);
  expect(indexed[0]?.key).toBe("9999");
  await on.client.query("drop index public.notes_to_tsvector_idx");
  expect((await find(db, "notes", "printer", byWords))[0]?.key).toBe("9999");
});

test("A text that cannot be computed keeps no search from the others, whatever the search asks for", async () => {
  await notes("values (1, 'a good printer', '1'), (2, 'a bad printer', 'two')", "body || ' ' || n::int");
  const where = "id > 0";
  expect(keys(await find(db, "notes", "printer", { ...byWords, where }))).toEqual(["1"]);
  expect(keys(await find(db, "notes", '"good printer" x', byWords))).toEqual(["1"]);
  await on.client.query(`update public.notes set embedding = '[1,1,1,1,1,1,1,1]'`);
  expect(keys(await find(db, "notes", "printer", { where, withText: true }))).toEqual(["1", "2"]);
});

test("The name of a language is a value, whatever the session's settings", async () => {
  await notes("values (1, 'printers', '1')");
  const pool = new pg.Pool({
    connectionString: on.database.url,
    max: 1,
    options: "-c standard_conforming_strings=off",
  });
  onTestFinished(() => pool.end());
  const language = "a\\' || pg_sleep(9)::text) --";
  await expect(find(overPool(pool), "notes", "printers", { hybrid: true, language })).rejects.toThrow(
    /text search configuration .* does not exist/,
  );
  expect(keys(await find(db, "notes", "printer", { ...byWords, language: "English" }))).toEqual(["1"]);
  expect(keys(await find(db, "notes", "printer", { ...byWords, language: "simple" }))).toEqual([]);
});

test.each<[ProviderErrorKind, RegExp]>([
  ["unavailable", /just now/],
  ["throttled", /just now/],
  ["setup", /as this is set up/],
  ["row", /This question cannot be embedded/],
])(
  "Where the provider fails (%s), the words answer, and the notice says what is so",
  async (kind, notice) => {
    await notes("values (1, 'printers', '1')");
    const failing = {
      ...questionProvider(8),
      embed: () => Promise.reject(new ProviderError(kind, "secret reason")),
    };
    for (const providerOf of [() => Promise.resolve(failing), () => failing.embed()]) {
      const searcher = new Searcher({ db, providerOf, timeoutMs: 1_000 });
      const found = await searcher.search("notes", `printer ${kind}`, {});
      expect(found).toMatchObject({ rankedBy: "words", hits: [{ key: "1" }] });
      expect(found.notice).toMatch(notice);
      expect(found.notice).not.toContain("secret");
    }
  },
);

test("A search that was aborted ends with the caller's reason, and gives no rows", async () => {
  await notes("values (1, 'printers', '1')");
  const slow = {
    ...questionProvider(8),
    embed: (_: unknown, __: unknown, signal: AbortSignal) =>
      new Promise<never>((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          reject(signal.reason as Error);
        });
      }),
  };
  const searcher = new Searcher({ db, providerOf: () => Promise.resolve(slow), timeoutMs: 60_000 });
  const signal = AbortSignal.timeout(100);
  await expect(searcher.search("notes", "printer that nobody asked for", { signal })).rejects.toThrow(
    /timeout/,
  );
  await expect(searcher.search("notes", { like: 1 }, { signal })).rejects.toThrow(/timeout/);
});

test("The same question of many at a time is embedded once", async () => {
  await notes("values (1, 'printers', '1')");
  let calls = 0;
  const provider = questionProvider(8);
  const counting = {
    ...provider,
    embed: (...args: Parameters<typeof provider.embed>) => {
      calls++;
      return provider.embed(...args);
    },
  };
  const searcher = new Searcher({ db, providerOf: () => Promise.resolve(counting), timeoutMs: 10_000 });
  const question = `printers ${performance.now()}`;
  await Promise.all(Array.from({ length: 10 }, () => searcher.search("notes", question, {})));
  expect(calls).toBe(1);
});

test("A vector without a direction is passed over", async () => {
  await notes("values (1, 'printers', '1'), (2, 'printers', '1')");
  await on.client.query(
    `update public.notes set embedding = case id when 1 then '[0,0,0,0,0,0,0,0]' else '[1,0,0,0,0,0,0,0]' end::vector`,
  );
  expect(keys(await find(db, "notes", "printers", {}))).toEqual(["2"]);
  expect(keys(await find(db, "notes", "printers", { hybrid: true })).toSorted()).toEqual(["1", "2"]);
});

test("A row like itself is not found, however its key is written", async () => {
  await notes("values (1, 'one', '1'), (2, 'two', '1')");
  await on.client.query(`update public.notes set embedding = ('[' || id || ',1,0,0,0,0,0,0]')::vector`);
  expect(keys(await find(db, "notes", { like: "01" }))).toEqual(["2"]);
});

test("Signs that are not closed are plain characters", () => {
  expect(parseQuestion('"out of paper" printer -toner -"low ink"')).toEqual({
    asked: "out of paper printer",
    required: '"out of paper" -toner -"low ink"',
  });
  expect(parseQuestion('"out of paper')).toEqual({ asked: '"out of paper', required: "" });
  expect(parseQuestion('5" pipe -pa"ges "blank pages"')).toMatchObject({ required: '-pages "blank pages"' });
  expect(parseQuestion("follow-up - 10 --")).toEqual({ asked: "follow-up - 10 --", required: "" });
});

test("An index that is not ours to use is not searched by: every row is compared", async () => {
  await notes("select i, 'note ' || i, '1' from generate_series(1, 2000) i");
  await on.client
    .query(`update public.notes set embedding = array(select random() - 0.5 from generate_series(1, 8) where id > 0)::vector;
    create index on public.notes using ivfflat (embedding vector_cosine_ops) with (lists = 100)`);
  const found = keys(await find(db, "notes", "anything", { limit: 10 }));
  const { rows } = await sql<{ id: string }>`
    select id::text from public.notes order by 0 + (embedding operator(public.<=>) ${`[${(await vectorOf("anything")).join(",")}]`}::public.vector) limit 10`.execute(
    db,
  );
  expect(found).toEqual(rows.map(({ id }) => id));
});

async function vectorOf(text: string): Promise<Float32Array> {
  const { vectors } = await questionProvider(8).embed([text], "query", new AbortController().signal);
  return vectors.at(0);
}
