import { expect, test } from "vitest";
import { migrate } from "../../src/migrate.ts";
import { separateByTicket } from "../../src/queue/shared-tickets.ts";
import { DIMENSIONS, prepare, wrongRows } from "../support/listening.ts";

test("Where the sequence of tickets was set back, no write fails and every row gets its vector", async () => {
  const { client, provider, listen } = await prepare();
  await client.query("select setval('autoembed.embedding_ticket', 1000, false)");
  await client.query("insert into patient_embeddings select n, 'old ' || n from generate_series(1, 200) n");
  await client.query("select setval('autoembed.embedding_ticket', 1000, false)");
  await client.query(`insert into patient_embeddings values (501, 'one');
    insert into patient_embeddings select n, 'new ' || n from generate_series(601, 750) n;
    update patient_embeddings set context_text = 'changed' where patient_id = 150`);
  const { rows } = await client.query<{ shared: number }>(
    "select count(*)::int - count(distinct ticket)::int as shared from autoembed.embedding_queue",
  );
  expect(rows[0]?.shared).toBeGreaterThan(100);

  const listener = await listen();
  await listener.whenDrained(AbortSignal.timeout(60_000));
  expect(await wrongRows(client)).toEqual([]);
  const sent = provider.requests.flatMap(({ texts }) => texts).filter((text) => /^(old|new) /.test(text));
  expect(sent.length).toBe(new Set(sent).size);
  const left = async (): Promise<unknown[]> =>
    (
      await client.query<object>(
        "select key from autoembed.embedding_queue union all select ticket::text from autoembed.embedding_reservation",
      )
    ).rows;
  await expect.poll(left, { timeout: 30_000 }).toEqual([]);
});

test("Of rows that share a ticket, among themselves or with a held row, one keeps it; a row that is named twice is one row", () => {
  const row = (ticket: string, key: string) => ({ ticket, key, ctid: null, age_ms: 0 });
  const rows = [row("1", "a"), row("1", "b"), row("2", "c"), row("2", "c"), row("3", "d")];
  const { own, shared } = separateByTicket(rows, (ticket) => (ticket === "3" ? "held" : undefined));
  expect(own.map(({ key }) => key)).toEqual(["a", "c", "c"]);
  expect(shared.map(({ key }) => key)).toEqual(["b", "d"]);
});

test("`migrate` sets the sequences that are behind their tables, and no other", async () => {
  const { client, database } = await prepare();
  await client.query("insert into patient_embeddings values (1, 'one')");
  const positions = async (): Promise<object[]> =>
    (
      await client.query<object>(`select (select max(id) from autoembed.embedding_source)::int as highest,
        (select last_value from autoembed.embedding_source_id_seq)::int as source,
        (select last_value from autoembed.embedding_ticket)::int as ticket`)
    ).rows;
  const [before] = await positions();
  await client.query(
    `select setval('autoembed.embedding_ticket', 1), setval('autoembed.embedding_source_id_seq', 1)`,
  );
  await migrate({ databaseUrl: database.url, dimensions: DIMENSIONS });
  const [after] = await positions();
  expect(after).toMatchObject({ ...before, source: (after as { highest: number }).highest });
  await client.query("select setval('autoembed.embedding_ticket', 123456789)");
  await migrate({ databaseUrl: database.url, dimensions: DIMENSIONS });
  expect(await positions()).toMatchObject([{ ticket: 123_456_789 }]);
});
