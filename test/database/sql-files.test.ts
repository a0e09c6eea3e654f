import { readFile, readdir } from "node:fs/promises";
import { basename } from "node:path";
import { describe, expect, test } from "vitest";
import { openTestDatabase } from "../support/database.ts";
import { SHAPES } from "../support/shapes.ts";
import { withClient } from "../support/with-client.ts";

const MIGRATIONS = new URL("../../migrations/", import.meta.url);

const functions = (await readdir(new URL("functions/", MIGRATIONS))).sort();

describe("Every file of migrations/functions has one function", () => {
  test.each(functions)("The SQL file %s has one function, of its name, with a comment", async (name) => {
    const text = await readFile(new URL(`functions/${name}`, MIGRATIONS), "utf8");
    // Of several functions of one name, each file is called NAME.KIND.sql.
    const called = basename(name, ".sql").replace(/[.].*/, "");
    const made = [...text.matchAll(/^create or replace (?:function|procedure) autoembed\.(\w+)/gm)].map(
      ([, made]) => made,
    );
    expect(made).toEqual([called]);
    expect(text).toMatch(
      new RegExp(`^comment on (function|procedure) autoembed[.]${called}([(].*[)])? is\\s`, "m"),
    );
    expect(text.match(/^create /gm)).toHaveLength(1);
  });
});

test("Every SQL file is in ASCII, which every encoding of a database has; but for one that was released", async () => {
  const names = await readdir(MIGRATIONS, { recursive: true });
  const files = names.filter((name) => name.endsWith(".sql")).sort();
  expect(files.length).toBeGreaterThan(100);
  const texts = await Promise.all(files.map((name) => readFile(new URL(name, MIGRATIONS), "latin1")));
  // Migrating puts it into ASCII.
  expect(files.filter((_, i) => /[\u{80}-\u{ff}]/u.test(texts[i] ?? ""))).toEqual([
    "committed/000001-tables.sql",
  ]);
});

test("No function in the schema autoembed contains a backslash, which a session may take for an escape", async () => {
  const database = await openTestDatabase();
  try {
    await withClient(database.url, async (client) => {
      await client.query(`create schema app; ${Object.values(SHAPES).join(";")}`);
      const { rows } = await client.query(`
        select proname from pg_proc where pronamespace = 'autoembed'::regnamespace and strpos(prosrc, chr(92)) > 0`);
      expect(rows).toEqual([]);
    });
  } finally {
    await database.close();
  }
});

test("Every function in the schema autoembed pins its search_path, except the one that evaluates a user's text and the one that commits", async () => {
  const database = await openTestDatabase();
  try {
    await withClient(database.url, async (client) => {
      await client.query(`create schema app; ${Object.values(SHAPES).join(";")}`);
      const { rows } = await client.query(`
        select proname from pg_proc p where pronamespace = 'autoembed'::regnamespace
          and not coalesce('search_path=pg_catalog, pg_temp' = any(p.proconfig), false) order by proname`);
      expect(rows).toEqual([{ proname: "ask" }, { proname: "evaluate_text" }]);
    });
  } finally {
    await database.close();
  }
});
