import { expect, test, vi } from "vitest";
import { prepare, wrongRows } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

const SETTINGS = [
  "enable_seqscan",
  "enable_sort",
  "enable_hashjoin",
  "enable_mergejoin",
  "enable_bitmapscan",
];

test("A user's trigger is planned under Postgres's own planner settings", async () => {
  const { client, listen } = await prepare();
  const settings = SETTINGS.map((name) => `current_setting('${name}')`).join(" || ' ' || ");
  await client.query(`
    create table seen (what text, settings text);
    create function see() returns trigger language plpgsql as $$
      begin insert into seen values (tg_argv[0], ${settings}); return new; end $$;
    create trigger before_it before update of embedding on patient_embeddings for each row execute function see('before');
    create trigger after_it after update of embedding on patient_embeddings for each row execute function see('after');
    create constraint trigger late after update of embedding on patient_embeddings deferrable initially deferred
      for each row execute function see('deferred')`);
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'one'), (2, 'one'), (3, 'three')");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  await client.query("update patient_embeddings set context_text = 'three' where patient_id = 1");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect(await wrongRows(client)).toEqual([]);
  const { rows } = await client.query("select distinct what, settings from seen order by what");
  expect(rows).toEqual(
    ["after", "before", "deferred"].map((what) => ({ what, settings: SETTINGS.map(() => "on").join(" ") })),
  );
  await client.query("drop table seen; drop function see cascade");
});

test("A queue table that is rewritten while requests are in flight loses no row, and no text is paid for twice", async () => {
  const { client, provider, listen } = await prepare();
  const listener = await listen();
  provider.latencyMs = 1_000;
  const asked = provider.requests.length;
  await client.query("insert into patient_embeddings select n, 'note ' || n from generate_series(1, 20) n");
  await vi.waitFor(() => {
    expect(provider.requests.length).toBeGreaterThan(asked);
  }, 10_000);
  // Moves every row to the ctid of another row.
  await client.query("create index turned on autoembed.embedding_queue (ticket desc)");
  await client.query("cluster autoembed.embedding_queue using turned");
  await client.query("drop index autoembed.turned");
  await listener.whenDrained(AbortSignal.timeout(30_000));
  expect(await wrongRows(client)).toEqual([]);
  const sent = provider.requests.flatMap(({ texts }) => texts).filter((text) => text.startsWith("note "));
  expect(sent.toSorted()).toEqual(Array.from({ length: 20 }, (_, i) => `note ${i + 1}`).toSorted());
});
