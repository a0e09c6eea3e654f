import { expect, test } from "vitest";
import { cutText } from "../../src/providers/cut-text.ts";
import { describeNative } from "../support/database.ts";
import { oracleVector } from "../support/oracle-vector.ts";
import { peakMegabytes } from "../support/peak-megabytes.ts";
import { startProcess } from "../support/start-process.ts";
import { DIMENSIONS, prepare, wrongRows } from "../support/listening.ts";

test("Texts of any script arrive whole, and equal texts are sent once", async () => {
  const { client, provider, listen } = await prepare();
  const listener = await listen();
  const texts = [
    "👩🏽‍⚕️ emoji",
    "مريض يعاني من السكري",
    "糖尿病",
    "a\u0301 combining",
    "tab\there\r\nand there",
    "'; drop table x; --",
    "\\u0000 spelled out",
    "\u{10FFFF} last of all",
  ];
  for (const [i, text] of texts.entries())
    await client.query("insert into patient_embeddings values ($1, $2)", [i, text]);
  await client.query(
    "insert into patient_embeddings select n, 'the same' from generate_series(100, 10099) n",
  );
  await listener.whenDrained(AbortSignal.timeout(50_000));

  expect(await wrongRows(client)).toEqual([]);
  const sent = provider.requests.flatMap((request) => request.texts);
  expect(sent.filter((text) => text === "the same")).toHaveLength(1);
  for (const text of texts) expect(sent).toContain(text);
});

test("A text far beyond the model's limit fails alone, with a reason that does not repeat it", async () => {
  const { client, listen } = await prepare();
  const listener = await listen({ EMBED_MAX_TEXT_CHARACTERS: "1000" });
  await client.query("insert into patient_embeddings select 1, repeat('secret ', 1000000)");
  await client.query("insert into patient_embeddings values (2, 'short')");
  await listener.whenDrained(AbortSignal.timeout(50_000));

  const { rows } = await client.query<{ key: string; last_error: string }>(
    "select key, last_error from autoembed.embedding_queue",
  );
  expect(rows.map(({ key }) => key)).toEqual(["1"]);
  expect(rows[0]?.last_error).toContain("1000 characters");
  expect(rows[0]?.last_error).not.toContain("secret");
  expect((await client.query("select from patient_embeddings where embedding is not null")).rowCount).toBe(1);
});

describeNative("A text of 100 MB stops no other row", "needs more memory than WebAssembly has", () => {
  test.each([
    ["truncate", 1],
    ["fail", 0],
  ])(
    "A text of 100 MB with EMBED_ON_TOO_LONG=%s stops no other row, and never reaches the listener whole",
    { timeout: 90_000 },
    async (onTooLong, embedded) => {
      const around = await prepare({ EMBED_ON_TOO_LONG: onTooLong, EMBED_MAX_TEXT_CHARACTERS: "20000" });
      const { client, provider } = around;
      const listener = await startProcess(around);
      const before = peakMegabytes(listener.process.pid);
      await client.query("insert into patient_embeddings select 1, repeat('long 👩🏽‍⚕️ ', 3500000)");
      const { rows } = await client.query<{ megabytes: number }>(
        "select octet_length(context_text) / 1000000 as megabytes from patient_embeddings",
      );
      expect(rows[0]?.megabytes).toBeGreaterThan(70);
      await client.query("insert into patient_embeddings values (2, 'short')");
      await expect
        .poll(
          async () =>
            (await client.query("select from autoembed.embedding_queue where failed_at is null")).rowCount,
          {
            timeout: 60_000,
          },
        )
        .toBe(0);

      const sent = provider.requests.flatMap((request) => request.texts);
      expect(sent).toContain("short");
      const long = sent.filter((text) => text.startsWith("long"));
      expect(long).toHaveLength(embedded);
      // As Postgres counts them: some of these take two units of UTF-16.
      for (const text of long) expect([isWellFormed(text), Array.from(text).length]).toEqual([true, 20_000]);
      expect(peakMegabytes(listener.process.pid) - before).toBeLessThan(60);
    },
  );
});

test("A text is cut between characters, and never within one", () => {
  const text = "ab👩c";
  for (let length = 0; length <= text.length; length++) {
    const cut = cutText(text, length);
    expect(isWellFormed(cut)).toBe(true);
    expect(text.startsWith(cut)).toBe(true);
    expect(cut.length).toBe(length === 3 ? 2 : length);
  }
});

test.each([
  ["uuid", "gen_random_uuid()"],
  ["text", "'it''s \"quoted\" \\ ' || n"],
  ["numeric", "n + 0.50"],
  ["timestamptz", "'2026-03-29 01:30:00+01'::timestamptz + n * interval '1 hour'"],
  ["date", "date '2026-01-31' + n"],
  ["char(8)", "'k' || n"],
  ["bytea", "decode(lpad(n::text, 4, '0'), 'hex')"],
  ["double precision", "n / 3.0"],
])("A key of type %s finds its row, whatever the writer's settings are", async (type, value) => {
  const { client, listen } = await prepare();
  await client.query(`drop table if exists "Odd ""Table""";
    create table "Odd ""Table""" ("the Key" ${type} primary key, "select" text, "vec tor" vector(${DIMENSIONS}))`);
  await client.query(
    `select autoembed.watch('"Odd ""Table"""', 'select', vector_column => 'vec tor', source_name => 'odd')`,
  );
  const listener = await listen();
  await client.query(
    "set datestyle = 'German, DMY'; set timezone = 'Asia/Kolkata'; set bytea_output = 'escape'; set extra_float_digits = -10",
  );
  await client.query(
    `insert into "Odd ""Table""" select ${value}, 'row ' || n from generate_series(1, 20) n`,
  );
  await listener.whenDrained(AbortSignal.timeout(50_000));
  await client.query(`set timezone = 'UTC'; update "Odd ""Table""" set "select" = "select" || '!'`);
  await client.query("reset datestyle; reset timezone; reset bytea_output; reset extra_float_digits");
  await listener.whenDrained(AbortSignal.timeout(50_000));

  const { rows } = await client.query<{ text: string; vector: string | null }>(
    `select "select" as text, "vec tor"::text as vector from "Odd ""Table"""`,
  );
  expect(rows).toHaveLength(20);
  for (const { text, vector } of rows) {
    expect(vector === null ? null : String(Float32Array.from(JSON.parse(vector) as number[]))).toBe(
      String(oracleVector(text, DIMENSIONS)),
    );
  }
});

/** Whether the text has no half of a surrogate pair, which UTF-8 cannot carry. */
function isWellFormed(text: string): boolean {
  return Buffer.from(text).toString() === text;
}
