import { expect, test, vi } from "vitest";
import { showProgress } from "../../src/backfill/progress.ts";
import { runBackfill } from "../../src/backfill/run-backfill.ts";
import { planLimits, wantedLimits } from "../../src/commands/backfill-limits.ts";
import { describeBackfillPlan } from "../../src/commands/describe-backfill-plan.ts";
import { readConfig } from "../../src/config.ts";
import { UsageError } from "../../src/errors.ts";
import { heldBackfill, limitBackfill, spentSoFar } from "../../src/pages/limits.ts";
import { beginBackfill } from "../../src/pages/backfills.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { formatMoment, parseMoment } from "../../src/timing/parse-moment.ts";
import { runCommand } from "../support/command.ts";
import { prepareDryRun } from "../support/dry-running.ts";
import { describeNative } from "../support/database.ts";
import { wrongRows } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

/** Each text of the tests is 3 tokens: 0.003 of money. */
const PRICE = { EMBED_PRICE_PER_MILLION_TOKENS: "1000", EMBED_BATCH_SIZE: "20" };

test.each([
  ["08:00", "Sun 2026-11-29 08:00"],
  ["07:59", "Mon 2026-11-30 07:59"],
  ["Mon 08:00", "Mon 2026-11-30 08:00"],
  ["sunday 7:00", "Sun 2026-12-06 07:00"],
  ["2027-01-31 18:30", "Sun 2027-01-31 18:30"],
  ["2027-02-31T18:30", undefined],
  ["Xyz 08:00", undefined],
  ["25:00", undefined],
  ["tomorrow", undefined],
])("The time %s is read as the next one of that name, in the local time zone", (text, expected) => {
  const moment = parseMoment(text, new Date(2026, 10, 29, 7, 59, 30));
  expect(moment && formatMoment(moment)).toBe(expected);
});

test("A date with a zone of its own is read in that", () => {
  expect(parseMoment("2027-01-31T18:30Z", new Date())?.toISOString()).toBe("2027-01-31T18:30:00.000Z");
});

test.each([
  [{ by: "someday" }, "--by takes a time"],
  [{ by: "2020-01-01T08:00" }, "is in the past"],
  [{ spend: "much" }, "--spend takes an amount of money above 0"],
  [{ spend: "0" }, "--spend takes an amount of money above 0"],
  [{ spend: "5 EUR" }, "--spend takes an amount of money above 0"],
])("%o is refused as bad usage", (values, message) => {
  expect(() => wantedLimits(values, new Date())).toThrow(message);
  expect(() => wantedLimits(values, new Date())).toThrow(UsageError);
});

test("A backfill that is ahead of its pace rests until its time has come, and one in time does not", async () => {
  const { db, client } = await prepareDryRun();
  const [source] = await chooseSources(db, "patient_embeddings");
  if (source === undefined) throw new Error("no source");
  const finishBy = new Date(Date.now() + 3_600_000);
  await beginBackfill(db, source, { isAll: false, limits: { pace: { finishBy, rows: 8_000 } } });
  expect(await heldBackfill(db, source.id, 0)).toBe(null);
  await client.query("update autoembed.embedding_backfill set done = 1000");
  expect(await heldBackfill(db, source.id, 0)).toBe("ahead");
  // Six minutes of the 48 that the rows are to take are over.
  await client.query("update autoembed.embedding_backfill set paced_from = now() - interval '7 minutes'");
  expect(await heldBackfill(db, source.id, 0)).toBe(null);
  await limitBackfill(db, source.id, { spendsAtMost: 2 });
  expect([await heldBackfill(db, source.id, 1.9), await heldBackfill(db, source.id, 2)]).toEqual([
    null,
    "spent",
  ]);
  await client.query("delete from autoembed.embedding_backfill");
});

test("A backfill stops at its money with the rest pending, whoever goes on with it, and a later one embeds the rest", async () => {
  const on = await prepareDryRun(PRICE);
  await on.insert("'text ' || (1000 + i)", 500);
  const [source] = await chooseSources(on.db, "patient_embeddings");
  if (source === undefined) throw new Error("no source");
  const config = { ...readConfig(on.environment), DATABASE_URL: String(on.environment["DATABASE_URL"]) };
  const options = { all: false, progress: showProgress("none"), signal: new AbortController().signal };
  const spent = async () => {
    const { rows } = await on.client.query<{ spent: number; tokens: number }>(
      "select coalesce(sum(cost), 0) as spent, coalesce(sum(tokens), 0)::int as tokens from autoembed.embedding_spending",
    );
    return rows[0]?.spent ?? 0;
  };

  const first = await runBackfill(config, [source], { ...options, limits: { spendsAtMost: 0.6 } });
  expect(first).toMatchObject({ isSpent: true, failed: 0 });
  expect(first.pending).toBeGreaterThan(200);
  // The requests in flight, and ready: two of 20 texts and one that is being put together.
  expect(await spent()).toBeGreaterThanOrEqual(0.6);
  expect(await spent()).toBeLessThan(0.6 + 3 * 20 * 0.003 + 0.001);
  // Another listener does not go on with it.
  const again = await runBackfill(config, [source], { ...options, pendingOnly: true });
  expect(again.isSpent).toBe(true);
  expect(await spent()).toBeLessThan(0.8);

  // What an interrupted one has cost counts when it goes on, and a spent one is given more.
  const spentOf = async () =>
    (await on.client.query<{ spent: number }>("select spent from autoembed.embedding_backfill")).rows[0]
      ?.spent;
  await beginBackfill(on.db, source, { isAll: false, limits: { spendsAtMost: 9 } });
  expect([await spentOf(), await spentSoFar(on.db, source.id)]).toEqual([0, 0]);
  await on.client.query("update autoembed.embedding_backfill set spent = 8");
  await beginBackfill(on.db, source, { isAll: false, limits: { spendsAtMost: 10 } });
  expect([await spentOf(), await spentSoFar(on.db, source.id)]).toEqual([8, 8]);
  expect(await heldBackfill(on.db, source.id, 2)).toBe("spent");
  const asked = [on.db, config, { sources: [source], chunked: [] }, { by: undefined, spend: 8.03 }] as const;
  const { plan } = await planLimits(...asked, {
    all: false,
    asked: undefined,
    signal: options.signal,
  });
  expect(plan).toMatchObject({ spends_at_most: 8.03, spent: 8 });
  expect(plan.rows_for_money).toBeLessThan(50);
  expect(describeBackfillPlan(plan)).toContain(
    "stops at 8.03, of which 8.00 is spent already: that is enough",
  );

  const rest = await runBackfill(config, [source], options);
  expect(rest).toMatchObject({ isSpent: false, pending: 0 });
  expect(await wrongRows(on.client)).toEqual([]);
  expect(await spent()).toBeCloseTo(500 * 0.003);
});

describeNative("npm run backfill -- --by --spend", "commands run in processes of their own", () => {
  test("says what it takes, stops at the money with exit code 1 and how to go on, and refuses a model without a price with 2", async () => {
    const { client, insert, environment } = await prepareDryRun(PRICE);
    await insert("'text ' || (1000 + i)", 300);
    const run = async (args: string[], settings = {}) => {
      const command = runCommand(["backfill", ...args], { ...environment, ...settings });
      return { code: await command.exited, stdout: command.stdout(), stderr: command.stderr() };
    };
    const planned = await run(["--dry-run", "--by", "2099-01-01T08:00", "--spend", "0.3"]);
    expect(planned.code, planned.stderr).toBe(0);
    expect(planned.stdout).toContain("rows to embed.\n  time   Thu 2099-01-01 08:00 is in ");
    expect(planned.stdout).toMatch(
      / {2}money {2}all of it costs about 0\.\d+, and it stops at 0\.30: that is enough for about \d+ rows\./,
    );

    const spent = await run(["--spend", "0.3 USD"]);
    expect(spent.code).toBe(1);
    expect(spent.stdout).toMatch(
      /The money of --spend is spent: \d+ rows stay pending in the backfill\. To continue: npm run backfill -- --source patient_embeddings --spend MONEY, or without --spend\./,
    );

    const unpriced = await run(["--spend", "5"], {
      EMBED_PRICE_PER_MILLION_TOKENS: "",
      OPENAI_EMBED_MODEL: "m",
    });
    expect(unpriced.code).toBe(2);
    expect(unpriced.stderr).toContain("set EMBED_PRICE_PER_MILLION_TOKENS");
    await client.query("delete from autoembed.embedding_backfill");
  });
});
