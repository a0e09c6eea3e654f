import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { UsageError } from "../../src/errors.ts";
import { createSearch, type Search } from "../../src/search/create-search.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";
import { nameIn, role } from "../support/roles.ts";
import { serve } from "../support/serving.ts";

vi.setConfig({ testTimeout: 300_000 });

/** In every question and value below: it may be in no log and no error. */
const SECRET = "xylocopa";

const QUESTIONS: Readonly<Record<string, string>> = {
  "ten thousand words": Array.from({ length: 10_000 }, (_, i) => `${SECRET}${i % 5_000}`).join(" "),
  "one very long word": SECRET.repeat(2_000),
  "stop words alone": "the of and to a in is it",
  punctuation: "?!… ;:,.()[]{}<>|&*~^%$#@",
  "operators of tsquery": `!${SECRET} & | <-> (a:* <2> :A) '`,
  "quotes and backslashes": `'${SECRET}\\' "\\\\" \\x00 \\' -- /* $$ $1`,
  "a quote that is closed and empty": `"" ${SECRET} ""`,
  "an excluded question": `-${SECRET} a`,
  NUL: `${SECRET}\0 printer\0`,
  "half a character": `${SECRET} \ud800 printer`,
  Japanese: `糖尿病の患者 ${SECRET}`,
  Arabic: "داء السكري ‮ abc",
  emoji: "👩‍⚕️ 👩‍👩‍👧‍👦 🏥",
  "white space of all kinds": "\u00a0\u2003\t\u3000printer\u200b",
  "a vector": "[1,2,3]",
};

type Refusal = readonly [options: object, message: RegExp];

const OPTIONS: Readonly<Record<string, Refusal>> = {
  "limit 0": [{ limit: 0 }, /limit is 0\. Give a whole number from 1 to 10000/],
  "limit -1": [{ limit: -1 }, /limit is -1/],
  "limit 1e9": [{ limit: 1e9 }, /limit is 1000000000/],
  "limit as a text": [{ limit: "10" }, /limit is a string\. Give a whole number/],
  "limit 1.5": [{ limit: 1.5 }, /limit is 1\.5/],
  "minScore NaN": [{ minScore: NaN }, /minScore is NaN/],
  "minScore as a text": [{ minScore: SECRET }, /minScore is a string/],
  "an unknown column": [
    { where: { nope: 1 } },
    /There is no column nope to compare\. There are: id, The Tenant, body/,
  ],
  "a column with a quote": [
    { where: { [`"; drop table x; --`]: 1 } },
    /no column "; drop table x; -- to compare/,
  ],
  "an unknown column that is selected": [
    { select: ["nope"] },
    /notes has no column nope to select\. There are: id, The Tenant, body/,
  ],
  "a column as no text": [{ select: [1] }, /select is no list of columns/],
  "a filter that is a list": [{ where: [1] }, /where is no plain object/],
  "a value of another type": [{ where: { id: SECRET } }, /SQLSTATE 22P02.*values of their types/],
  "a number that is rounded": [
    { where: { id: 2 ** 53 } },
    /where\.id\.eq has a whole number above .* Give it as a text/,
  ],
  "a number that is rounded, in a list": [
    { where: { id: [1, -(2 ** 60)] } },
    /where\.id\.in has a whole number above/,
  ],
  "a number that is rounded, of a text": [
    { where: { "The Tenant": { ne: 2 ** 60 } } },
    /where\.The Tenant\.ne has a whole number above/,
  ],
  "a text with NUL": [{ where: { "The Tenant": `${SECRET}\0` } }, /SQLSTATE 22021/],
  "an unknown language": [{ language: "klingon'" }, /text search configuration "klingon'" does not exist/],
  "a language as a number": [{ language: 5 }, /language is 5\. Give its name/],
  "an unknown source": [{ source: "nope" }, /No source is called "nope"/],
  "a source as a number": [{ source: 5 }, /source is a number\. Give the name/],
  "hybrid as a text": [{ hybrid: "yes" }, /hybrid is a string\. Give true or false/],
  "weights as null": [{ weights: null }, /weights is null\. Such as: \{ words: 0\.6 \}/],
  "a weight as a text": [
    { weights: { words: "0.5" } },
    /weights\.words is a string\. Give a number from 0 to 1/,
  ],
  "rerank as null": [{ rerank: null }, /rerank is null\. Give true, false, or/],
  "rerank as a text": [{ rerank: "yes" }, /rerank is a string\. Give true, false, or/],
  "an operator of lists for a column that is not there": [
    { where: { tenantz: { contains: "a" } } },
    /There is no column tenantz to compare\. There are: id, The Tenant, body/,
  ],
  "rows like none": [{ like: SECRET }, /That is no key of notes\. Its key is id \(bigint\)/],
};

async function hostile() {
  const on = await prepare();
  await on.client.query(`
    drop table if exists public."My Notes";
    create table public."My Notes" (id bigint primary key, "The Tenant" text, body text, embedding vector(8));
    create index on public."My Notes" using gin (to_tsvector('english', body));
    select autoembed.watch('public."My Notes"', 'body', source_name => 'notes')`);
  const listener = await on.listen();
  await on.client.query(
    `insert into public."My Notes" values (1, 'a', 'a printer prints'), (2, 'b', 'out of paper'), (3, 'c', 'the of and')`,
  );
  await listener.whenDrained();
  return { ...on, listener };
}

async function prepared() {
  const { environment, database, client, listener } = await hostile();
  const search: Search<Record<string, unknown>> = createSearch({
    config: { ...readConfig(environment), DATABASE_URL: database.url },
  });
  onTestFinished(() => search.close());
  const http = await serve(listener, database.url);
  const post = async (body: object) => {
    const answer = await fetch(new URL("/v1/search", http.url), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ source: "notes", ...body }),
    });
    return { status: answer.status, body: await answer.text() };
  };
  const secrets = () => http.logged.filter((line) => line.includes(SECRET));
  return { environment, client, search, post, secrets };
}

/** What Postgres and HTTP take into no text, or not so much of it. */
const UNSENT: Readonly<Record<string, number>> = { NUL: 400, "ten thousand words": 413 };

test("No question is too strange for an application, HTTP or SQL, and none is repeated in a log", async () => {
  const { client, search, post, secrets } = await prepared();
  for (const [name, question] of Object.entries(QUESTIONS)) {
    for (const options of [{}, { hybrid: false }, { withSnippet: true, withText: true }]) {
      const { hits } = await search.search(question, { source: "notes", ...options });
      expect({ name, options, rows: hits.length }).toMatchObject({ name, options, rows: 3 });
    }
    const { status, body } = await post({ question });
    expect({ name, status }).toEqual({ name, status: UNSENT[name] ?? 200 });
    if (status !== 200) expect(body).not.toContain(SECRET);
  }
  const { rows } = await client.query("select * from autoembed.search('notes', $1, 3)", [
    QUESTIONS["quotes and backslashes"],
  ]);
  expect(rows).toHaveLength(3);
  await expect(search.search("-1e309", { source: "notes" })).rejects.toThrow(
    "The question says only what a row must not have.",
  );
  expect(secrets()).toEqual([]);
});

test.each(Object.entries(OPTIONS))(
  "An application and HTTP refuse %s with what to do",
  async (_name, [{ ...options }, message]) => {
    const { search, post, secrets } = await prepared();
    const like = "like" in options ? { like: SECRET } : undefined;
    const others = like === undefined ? options : {};
    const refused = await search.search(like ?? "printer", { source: "notes", ...others }).then(
      () => "",
      (error: unknown) =>
        error instanceof UsageError ? `${error.message} ${error.remedy}` : `not a refusal: ${String(error)}`,
    );
    expect(refused).toMatch(message);
    expect(refused).not.toContain(SECRET);
    const { status, body } = await post({ ...(like ?? { question: "printer" }), ...options });
    expect([400, 404]).toContain(status);
    expect(body).not.toContain(SECRET);
    expect(secrets()).toEqual([]);
  },
);

test("An application is refused a question that is none, with what to do", async () => {
  const { search } = await prepared();
  for (const [question, message] of [
    [null, "The question is null."],
    [undefined, "The question is undefined."],
    [5, "The question is 5."],
    [[SECRET], "like is undefined."],
    [{ like: undefined }, "like is undefined."],
    [{ like: { not: SECRET } }, "like is an object."],
    [{ like: 2 ** 53 }, "like is rounded: JavaScript has no such whole number."],
  ] as const)
    await expect(search.search(question as never, { source: "notes" })).rejects.toMatchObject({
      name: "UsageError",
      message,
    });
});

test.each([
  [["printer", "--limit", "0"], /--limit/],
  [["printer", "--limit", "-1"], /--limit/],
  [["printer", "--limit", "1e9"], /--limit/],
  [["--like", "99"], /notes has no row with that key/],
  [["printer", "--where", "nope = 1"], /column "nope" does not exist/],
  [["printer", "--language", "klingon"], /"klingon" does not exist/],
  [[" "], /Say what to search for/],
])("The command refuses %j with what to do, and without a stack", async (args, message) => {
  const { environment } = await prepared();
  const command = runCommand(["search", "--source", "notes", ...args], environment);
  expect(await command.exited).toBe(2);
  expect(command.stderr()).toMatch(message);
  expect(command.stderr()).not.toMatch(/\n\s+at /);
});

describeNative("A role that may not read a column", "needs roles of its own", () => {
  test("finds rows by the others, and is told what to grant where it selects that column", async () => {
    const { client, database, environment } = await hostile();
    const url = await role(client, database.url, "reader");
    await client.query(`grant select (id, body, embedding) on public."My Notes" to ${nameIn(url)};
      select autoembed.grant_search('${nameIn(url)}')`);
    const search: Search<Record<string, unknown>> = createSearch({
      config: { ...readConfig(environment), DATABASE_URL: url },
    });
    onTestFinished(() => search.close());
    const found = await search.search("printer", { source: "notes", select: ["id"] });
    expect(found.hits).toHaveLength(3);
    await expect(search.search("printer", { source: "notes", select: ["The Tenant"] })).rejects.toMatchObject(
      {
        message: expect.stringContaining("permission denied for table My Notes") as string,
        remedy: "Grant select on what is searched and selected to the role that searches.",
      },
    );
  });
});
