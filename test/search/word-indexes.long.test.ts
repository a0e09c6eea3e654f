import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { connect, type Database } from "../../src/database/connect.ts";
import { loadSources } from "../../src/sources/load-sources.ts";
import { loadSearched } from "../../src/search/searched.ts";
import { Searcher } from "../../src/search/searcher.ts";
import { describeNative } from "../support/database.ts";
import { nameIn, role } from "../support/roles.ts";
import { understand } from "../../src/search/asked.ts";
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
    create table public."My Letters" (id bigint primary key, title text, "The Body" text, doc jsonb, column1 text, embedding vector(8),
      made text generated always as (lower(title)) stored);
    select autoembed.watch('public."My Letters"', $t$${text}$t$, source_name => 'letters');
    ${more};
    insert into public."My Letters" (id, title, doc, "The Body")
      select n, 'letter v1.2 ' || n, '{"title": "A letter", "body": "Of printers"}', case n when 3 then 'Of laser printers.' when 4 then null else 'Of this and that.' end from generate_series(1, 50) n;
    analyze public."My Letters"`);
}

function searcherOver(as: Database): Searcher {
  return new Searcher({
    db: as,
    providerOf: () => Promise.resolve(questionProvider(8)),
    timeoutMs: 10_000,
  });
}

async function rankedBy(question: string, as = db) {
  const { hits, rankedBy } = await searcherOver(as).search("letters", question, {});
  return { rankedBy, first: hits[0]?.key };
}

const BODY = '"The Body"';
const BOTH = `coalesce(title, '') || ' v1.2 ' || coalesce("The Body", '')`;
const WEIGHED = `setweight(to_tsvector('english', coalesce(title, '')), 'A') || setweight(to_tsvector('english', coalesce("The Body", '')), 'B')`;
const generated = (words: string): string =>
  `alter table public."My Letters" add "The Words" tsvector generated always as (${words}) stored;
  create index on public."My Letters" using gin ("The Words")`;
/** A column that a trigger fills. @param when `before insert or update` as a rule */
const filled = (columns: string, when = "before insert or update", type = "tsvector"): string =>
  `alter table public."My Letters" add "The Words" ${type}; create index on public."My Letters" using gin ("The Words");
  create trigger fill ${when} on public."My Letters" for each row execute function tsvector_update_trigger("The Words", 'pg_catalog.english', ${columns})`;
const on_ = (words: string): string => `create index on public."My Letters" using gin ((${words}))`;

test.each([
  ["an expression that takes null for empty", BODY, on_(`to_tsvector('english', coalesce("The Body", ''))`)],
  ["the same expression over two columns", BOTH, on_(`to_tsvector('english', ${BOTH})`)],
  ["weights, of a text of the same columns", BOTH, on_(WEIGHED)],
  ["a column that is generated", BODY, generated(`to_tsvector('english', coalesce("The Body", ''))`)],
  ["a column that is generated, with weights", BOTH, generated(WEIGHED)],
  ["a column that Postgres's own trigger fills", BODY, filled(BODY)],
  [
    "a column that it fills, with capitals and a language of the user's own",
    BODY,
    `drop text search configuration if exists public."My English"; create text search configuration public."My English" (copy = pg_catalog.english);
    ${filled(BODY, undefined, "tsvector not null").replace("'pg_catalog.english'", `'public."My English"'`)}`,
  ],
  ["a column that such a trigger fills from two", BOTH, filled(`title, ${BODY}`)],
  [
    "the rows that have a text",
    BODY,
    `${on_(`to_tsvector('english', "The Body")`)} where "The Body" is not null`,
  ],
  [
    "exactly an expression of the user's",
    `left("The Body", 200)`,
    on_(`to_tsvector('english', left("The Body", 200))`),
  ],
  [
    "two columns, one of which makes the text null",
    `title || ' ' || "The Body"`,
    on_(`to_tsvector('english', coalesce(title, '') || ' ' || "The Body")`),
  ],
  [
    "a column that is never null",
    `concat_ws(' ', id, "The Body")`,
    on_(`to_tsvector('english', id::text || ' ' || coalesce("The Body", ''))`),
  ],
])("A search ranks by an index of %s", async (_what, text, index) => {
  await letters(text, index);
  expect(await rankedBy("printer")).toEqual({ rankedBy: "meaning and words", first: "3" });
  expect((await loadSearched(db, "letters")).wordIndexes).toHaveLength(1);
  // What the question requires is looked for in the same index.
  const found = await find(db, "letters", '"laser printers" -that', { hybrid: true });
  expect(found.map(({ key }) => key)).toEqual(["3"]);
});

test.each([
  ["another column than the text's", BODY, on_(`to_tsvector('english', title)`)],
  ["one of the text's columns alone", BOTH, on_(`to_tsvector('english', coalesce("The Body", ''))`)],
  ["more than the text", BODY, on_(`to_tsvector('english', ${BOTH})`)],
  ["another part of the text's column", `doc ->> 'body'`, on_(`to_tsvector('english', doc ->> 'title')`)],
  ["the values of JSON, of a text that has the names too", `doc::text`, on_(`to_tsvector('english', doc)`)],
  ["the beginning of the text", BODY, on_(`to_tsvector('english', left("The Body", 200))`)],
  ["a part of the text", BODY, on_(`to_tsvector('english', split_part("The Body", '.', 1))`)],
  ["a cut text", BODY, on_(`to_tsvector('english', "The Body"::varchar(3))`)],
  ["more than a text that is a part", `left("The Body", 5)`, on_(`to_tsvector('english', "The Body")`)],
  ["one of two columns, where it is there", BOTH, on_(`to_tsvector('english', coalesce(title, "The Body"))`)],
  ["words that no text has", BODY, on_(`to_tsvector('english', coalesce("The Body", 'nothing'))`)],
  [
    "two languages",
    BOTH,
    on_(`to_tsvector('english', coalesce(title, '')) || to_tsvector('simple', coalesce("The Body", ''))`),
  ],
  [
    "nothing where a column is null",
    `concat_ws(' ', title, "The Body")`,
    on_(`to_tsvector('english', title || ' ' || "The Body")`),
  ],
  [
    "nothing where one of two columns is null",
    BOTH,
    on_(`to_tsvector('english', coalesce(title || ' v1.2 ' || "The Body", ''))`),
  ],
  [
    "words without their positions",
    BODY,
    generated(`strip(to_tsvector('english', coalesce("The Body", '')))`),
  ],
  ["a part of the rows", BODY, `${on_(`to_tsvector('english', "The Body")`)} where id > 1`],
  ["a column that a trigger fills from another one", BODY, filled("title")],
  ["a column that a trigger fills from more than the text", BODY, filled(`title, ${BODY}`)],
  ["a column that a trigger fills at inserts alone", BODY, filled(BODY, "before insert")],
  [
    "a column that a trigger fills at some updates",
    BODY,
    filled(BODY, 'before insert or update of "The Body"'),
  ],
  [
    "a column whose trigger is disabled",
    BODY,
    `${filled(BODY)}; alter table public."My Letters" disable trigger fill`,
  ],
  [
    "a column whose trigger comes before another one",
    BODY,
    `${filled(BODY)}; create trigger later before update on public."My Letters" for each row execute function suppress_redundant_updates_trigger()`,
  ],
  [
    "a column whose text another trigger sets first, which an update does not name",
    BODY,
    `${filled(BODY)}; create or replace function public.new_text() returns trigger language plpgsql as
      $f$ begin new."The Body" := coalesce(new.title, ''); return new; end $f$;
    create trigger earlier before update on public."My Letters" for each row execute function public.new_text()`,
  ],
  ["a column whose text is generated, after the trigger", "made", filled("made")],
  [
    "a column whose trigger came after some of the rows",
    BODY,
    `insert into public."My Letters" (id, "The Body") values (99, 'Printers of old.'); ${filled(BODY)}`,
  ],
  [
    "a column with a default, which rows from before the trigger may have",
    BODY,
    filled(BODY, undefined, "tsvector default ''"),
  ],
  [
    "a column that nobody generates",
    BODY,
    `alter table public."My Letters" add words tsvector; create index on public."My Letters" using gin (words)`,
  ],
])("A search does not rank by an index of %s", async (_what, text, index) => {
  await letters(text, index);
  expect((await rankedBy("printer")).rankedBy).toBe("meaning");
  expect((await loadSearched(db, "letters")).wordIndexes).toEqual([]);
});

test("A search takes an index of exactly the text's words before an older one of the same columns", async () => {
  await letters(
    BOTH,
    `${on_(WEIGHED)}; ${on_(`to_tsvector('english', ${BOTH})`)}; create index on public."My Letters" using gin (to_tsvector('simple', "The Body"))`,
  );
  const searched = await loadSearched(db, "letters");
  expect(searched.wordIndexes.map(({ isExact }) => isExact)).toEqual([false, true]);
  const { wordIndex } = await understand(db, searched, "printer", {});
  expect(wordIndex).toBe(searched.wordIndexes[1]);
});

/** Texts with an index of their words, and what else there may be in the table. */
async function withAnother(more: string): Promise<void> {
  await letters(
    BODY,
    `alter table public."My Letters" add private_note text; ${more}; ${on_(`to_tsvector('english', "The Body")`)}`,
  );
}

/** A function in an index, that finds by the user's search path alone what it calls: as it could be made before Postgres 17. */
async function withWrapper(language: "sql" | "plpgsql"): Promise<void> {
  const [qualified, bare] = ["public.plain", "plain"].map((name) =>
    language === "sql" ? `select ${name}($1)` : `begin return ${name}($1); end`,
  );
  const wrapper = (body = ""): string =>
    `create or replace function public.f_plain(text) returns text immutable language ${language} as $f$ ${body} $f$`;
  await withAnother(`
    create or replace function public.plain(text) returns text immutable language sql as 'select lower($1)';
    ${wrapper(qualified)}; ${on_(`to_tsvector('english', public.f_plain("The Body"))`)}`);
  onTestFinished(async () => {
    await on.client.query(
      `drop table public."My Letters"; drop function public.f_plain(text), public.plain(text)`,
    );
  });
  await on.client.query(
    `${wrapper(bare)}; update public."My Letters" set embedding = format('[1,1,1,1,1,1,1,%s]', id)::vector`,
  );
}

test.each(["sql", "plpgsql"] as const)(
  "An index with a function (%s) that finds nothing by our search path is left out, and breaks no search, whatever a session planned before",
  async (language) => {
    await withWrapper(language);
    const searcher = searcherOver(db);
    for (const options of [{}, { hybrid: false }, { select: ["title"] }, {}]) {
      for (const question of ["printer", { like: 3 }]) {
        // Each session forgets what it has planned with.
        await on.client.query('alter index public."My Letters_to_tsvector_idx" set (fastupdate = on)');
        expect((await searcher.search("letters", question, { limit: 2, ...options })).hits).toHaveLength(2);
      }
    }
    expect(await rankedBy("printer")).toEqual({ rankedBy: "meaning and words", first: "3" });
    expect((await loadSearched(db, "letters")).wordIndexes).toHaveLength(1);
  },
);

test("A source whose index has such a function is broken, and says what to do; then it is not", async () => {
  await withWrapper("sql");
  const { broken } = await loadSources(db);
  expect(broken.map(({ problem }) => problem)).toEqual([
    expect.stringMatching(/^Postgres cannot plan .*"My Letters_to_tsvector_idx1?".*public.f_plain\(text\)/),
  ]);
  await on.client.query("alter function public.f_plain(text) set search_path = public, pg_catalog");
  expect((await loadSources(db)).broken).toEqual([]);
});

describeNative("A role that may not read a column that is indexed", "needs roles of its own", () => {
  test.each([
    ["an expression", on_("to_tsvector('english', private_note)")],
    ["an expression and the text", on_(`to_tsvector('english', private_note || ' ' || "The Body")`)],
    ["a generated column", generated(`to_tsvector('english', coalesce("The Body", ''))`)],
  ])("searches by meaning and words as if that index, of %s, were not there", async (_what, index) => {
    await withAnother(index);
    const url = await role(on.client, on.database.url, "reader");
    await on.client.query(`grant select (id, "The Body", embedding) on public."My Letters" to ${nameIn(url)};
      select autoembed.grant_search('${nameIn(url)}')`);
    const reader = connect({ databaseUrl: url, maxConnections: 2, ownSessions: true });
    onTestFinished(() => reader.destroy());
    expect(await rankedBy("printer", reader)).toEqual({ rankedBy: "meaning and words", first: "3" });
  });
});
