import { readFile, readdir } from "node:fs/promises";
import { basename } from "node:path";
import { describe, expect, test } from "vitest";
import { openTestDatabase } from "../support/database.ts";
import { SHAPES } from "../support/shapes.ts";
import { withClient } from "../support/with-client.ts";

const MIGRATIONS = new URL("../../migrations/", import.meta.url);
const LONGEST_LINE = 120;
const LONGEST_FUNCTION = 60;

const files = (await readdir(MIGRATIONS, { recursive: true })).filter((name) => name.endsWith(".sql")).sort();
const functions = files.filter((name) => name.startsWith("functions/"));
const textOf = (name: string): Promise<string> => readFile(new URL(name, MIGRATIONS), "utf8");

describe("Every SQL file has short lines", () => {
  test.each(files)("The SQL file %s has no line of more than 120 characters", async (name) => {
    const lines = (await textOf(name)).split("\n");
    expect(lines.filter((line) => line.length > LONGEST_LINE)).toEqual([]);
  });
});

describe("Every file of migrations/functions has one short function", () => {
  test.each(functions)("The SQL file %s has one function, of its name, with a comment", async (name) => {
    const text = await textOf(name);
    const made = [...text.matchAll(/^create or replace function autoembed\.(\w+)/gm)].map(([, made]) => made);
    expect(made).toEqual([basename(name, ".sql")]);
    expect(text).toContain(`comment on function autoembed.${basename(name, ".sql")} is`);
    expect(text.match(/^create /gm)).toHaveLength(1);
  });

  test.each(functions)("The SQL file %s has a function of at most 60 lines", async (name) => {
    const [, body = ""] = /^(create or replace [^]*?^\$\$;$)/m.exec(await textOf(name)) ?? [];
    expect(body.split("\n").length).toBeGreaterThan(1);
    expect(body.split("\n").length).toBeLessThanOrEqual(LONGEST_FUNCTION);
  });
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

test("Every function in the schema autoembed pins its search_path, except the one that evaluates a user's text", async () => {
  const database = await openTestDatabase();
  try {
    await withClient(database.url, async (client) => {
      await client.query(`create schema app; ${Object.values(SHAPES).join(";")}`);
      const { rows } = await client.query(`
        select proname from pg_proc p where pronamespace = 'autoembed'::regnamespace
          and not coalesce('search_path=pg_catalog, pg_temp' = any(p.proconfig), false)`);
      expect(rows).toEqual([{ proname: "evaluate_text" }]);
    });
  } finally {
    await database.close();
  }
});
