import { expect, test } from "vitest";
import { openMigrated } from "../support/migrated.ts";

async function prepareArticles() {
  const { client } = await openMigrated();
  await client.query(`create schema app;
    create table app.articles (id int primary key, title text, body text, embedding vector(8))`);
  return (text: string) => client.query("select autoembed.watch('app.articles', $1)", [text]);
}

test.each([
  ["a quoted name, which is the same text for every row", "'body'", "reads no column of app.articles"],
  ["a number", "2", "reads no column of app.articles"],
  ["a list of columns, whose text is never null", "title, body", "is a list"],
  ["a list of numbers", "1,2", "reads no column of app.articles"],
  ["a row of columns", "row(title, body)", "is a list"],
])("`watch` refuses as a text %s", async (_, text, refusal) => {
  const watchIt = await prepareArticles();
  await expect(watchIt(text)).rejects.toThrow(refusal);
});

test.each(["concat_ws(' ', title, body)", "array[title, body]", "jsonb_build_object('title', title)"])(
  "`watch` takes several columns put together by %s",
  async (text) => {
    const watchIt = await prepareArticles();
    await expect(watchIt(text)).resolves.toMatchObject({ rowCount: 1 });
  },
);
