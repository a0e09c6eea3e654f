import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { runCommand } from "../support/command.ts";
import { prepare } from "../support/listening.ts";

const MARKER = "xylophonic-secret";
/** All of our tables; every column is searched. */
const TABLES = [
  "autoembed.embedding_source",
  "autoembed.embedding_queue",
  "autoembed.embedding_cache",
  "autoembed.embedding_reservation",
  "autoembed.embedding_listener",
  "autoembed.embedding_usage",
];

test(
  "No text is ever logged, printed, served, notified or stored outside its row",
  { timeout: 300_000 },
  async () => {
    const { client, provider, environment, database } = await prepare({
      EMBED_LOG_LEVEL: "debug",
      EMBED_HTTP_PORT: "0",
      EMBED_MAX_TEXT_CHARACTERS: "500",
      EMBED_MAX_RETRIES: "1",
    });
    const seen: string[] = [];
    const listening = new pg.Client(database.url);
    await listening.connect();
    onTestFinished(() => listening.end());
    listening.on("notification", ({ channel, payload }) => seen.push(`${channel} ${payload ?? ""}`));
    await listening.query("listen autoembed");

    // The provider quotes what it refuses, and a user's trigger quotes what it does not store.
    provider.poison = (text) => text.includes("refused");
    await client.query(`create or replace function refuse() returns trigger language plpgsql as $$
    begin raise exception 'will not store the vector of %', new.context_text; end $$;
    create trigger refuse before update of embedding on patient_embeddings
      for each row when (new.context_text like '%unstorable%') execute function refuse()`);
    onTestFinished(async () => {
      await client.query("drop trigger if exists refuse on patient_embeddings");
    });
    await client.query(
      `insert into patient_embeddings select i, $1 || ' ' || kind || ' ' || i
     from generate_series(1, 12) i, lateral (select (array['fine', 'refused', 'unstorable', repeat('long ', 200)])[1 + i % 4] as kind) k`,
      [MARKER],
    );

    const start = runCommand(["start"], environment);
    const url = await vi.waitFor(
      () => {
        const [, found] = /"url":"([^"]+)"/.exec(start.stderr()) ?? [];
        expect(found).toBeDefined();
        return found;
      },
      { timeout: 30_000 },
    );
    await vi.waitFor(
      async () => {
        const { rows } = await client.query<{ failed: number; done: number }>(`
        select (select count(*)::int from autoembed.embedding_queue where failed_at is not null) as failed,
          (select count(*)::int from patient_embeddings where embedding is not null) as done`);
        expect(rows).toEqual([{ failed: 9, done: 3 }]);
      },
      { timeout: 60_000, interval: 200 },
    );
    // A change notifies only where a listener may be asleep.
    await expect
      .poll(
        async () =>
          (await client.query<{ idle: boolean }>("select idle from autoembed.embedding_listener")).rows,
        {
          timeout: 30_000,
        },
      )
      .toEqual([{ idle: true }]);
    provider.next("garbled JSON");
    provider.next(500);
    await client.query("insert into patient_embeddings values (100, $1 || ' after an outage')", [MARKER]);

    for (const path of ["/", "/live", "/metrics"]) seen.push(await (await fetch(new URL(path, url))).text());
    const commands = [
      ["status", "--check"],
      ["status", "--json"],
      ["doctor"],
      ["verify", "--sample", "5"],
      ["search", "who is ill"],
      ["backfill", "--dry-run"],
      ["backfill", "--all", "--dry-run", "--sample", "50"],
      ["retry"],
    ];
    for (const args of commands) {
      const command = runCommand(args, environment);
      await command.exited;
      seen.push(command.stdout(), command.stderr());
    }
    for (const table of TABLES) {
      const { rows } = await client.query<{ row: string }>(`select t::text as row from ${table} t`);
      seen.push(...rows.map(({ row }) => row));
    }
    start.process.kill("SIGTERM");
    await start.exited;
    seen.push(start.stdout(), start.stderr());

    const all = seen.join("\n");
    expect(all).toContain('"msg":"failed"');
    expect(all).toContain("autoembed 1");
    expect(all).toContain("SQLSTATE P0001");
    expect(all.split("\n").filter((line) => line.includes("xylophonic"))).toEqual([]);
  },
);
