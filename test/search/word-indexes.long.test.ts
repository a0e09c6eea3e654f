import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { connect, type Database } from "../../src/database/connect.ts";
import { loadSearched } from "../../src/search/searched.ts";
import { Searcher } from "../../src/search/searcher.ts";
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

/** Letters of which the third is about a printer, in its body. */
async function letters(text: string, more: string): Promise<void> {
  await on.client.query(`
    drop table if exists public."My Letters" cascade;
    create table public."My Letters" (id bigint primary key, title text, "The Body" text, column1 text, embedding vector(8));
    select autoembed.watch('public."My Letters"', $t$${text}$t$, source_name => 'letters');
    ${more};
    insert into public."My Letters" (id, title, "The Body")
      select n, 'letter v1.2 ' || n, case n when 3 then 'Of printers.' when 4 then null else 'Of this and that.' end from generate_series(1, 50) n;
    analyze public."My Letters"`);
}

async function rankedBy(question: string) {
  const searcher = new Searcher({
    db,
    providerOf: () => Promise.resolve(questionProvider(8)),
    timeoutMs: 10_000,
  });
  const { hits, rankedBy } = await searcher.search("letters", question, {});
  return { rankedBy, first: hits[0]?.key };
}

const BODY = '"The Body"';
const BOTH = `coalesce(title, '') || ' v1.2 ' || coalesce("The Body", '')`;
const WEIGHED = `setweight(to_tsvector('english', coalesce(title, '')), 'A') || setweight(to_tsvector('english', coalesce("The Body", '')), 'B')`;
const generated = (words: string): string =>
  `alter table public."My Letters" add "The Words" tsvector generated always as (${words}) stored;
  create index on public."My Letters" using gin ("The Words")`;
const on_ = (words: string): string => `create index on public."My Letters" using gin ((${words}))`;

test.each([
  ["an expression that takes null for empty", BODY, on_(`to_tsvector('english', coalesce("The Body", ''))`)],
  ["the same expression over two columns", BOTH, on_(`to_tsvector('english', ${BOTH})`)],
  ["weights, of a text of the same columns", BOTH, on_(WEIGHED)],
  ["a column that is generated", BODY, generated(`to_tsvector('english', coalesce("The Body", ''))`)],
  ["a column that is generated, with weights", BOTH, generated(WEIGHED)],
  [
    "words without their positions",
    BODY,
    generated(`strip(to_tsvector('english', coalesce("The Body", '')))`),
  ],
])("A search ranks by an index of %s", async (_what, text, index) => {
  await letters(text, index);
  expect(await rankedBy("printer")).toEqual({ rankedBy: "meaning and words", first: "3" });
  expect((await loadSearched(db, "letters")).wordIndexes).toHaveLength(1);
  // What the question requires is looked for in the same index.
  const found = await find(db, "letters", '"of printers" -that', { hybrid: true });
  expect(found.map(({ key }) => key)).toEqual(["3"]);
});

test.each([
  ["another column than the text's", BODY, on_(`to_tsvector('english', title)`)],
  ["one of the text's columns alone", BOTH, on_(`to_tsvector('english', coalesce("The Body", ''))`)],
  ["more than the text", BODY, on_(`to_tsvector('english', ${BOTH})`)],
  ["a part of the rows", BODY, `${on_(`to_tsvector('english', "The Body")`)} where id > 1`],
  [
    "a column that nobody generates",
    BODY,
    `alter table public."My Letters" add words tsvector; create index on public."My Letters" using gin (words)`,
  ],
])("A search does not rank by an index of %s", async (_what, text, index) => {
  await letters(text, index);
  expect((await rankedBy("printer")).rankedBy).toBe("meaning");
});
