import { expect, test } from "vitest";
import { prepare, wrongRows } from "../support/listening.ts";

test("Each row's text and model are in the ledger with its vector, and no vector is stored twice", async () => {
  const { client, listen, provider } = await prepare();
  const listener = await listen();
  await client.query("insert into patient_embeddings select n, 'note ' || n from generate_series(1, 200) n");
  await listener.whenDrained();
  expect(await wrongRows(client)).toEqual([]);
  const { rows } = await client.query(`
    select count(*)::int as rows, count(distinct l.model_id)::int as models, min(m.name) as model
    from patient_embeddings p
    join autoembed.embedding_ledger l on l.source_id = 1 and l.key = p.patient_id::text
      and l.text_hash = sha256(convert_to(p.context_text, 'UTF8'))
    join autoembed.embedding_model m on m.id = l.model_id`);
  const model = `llm_api/text-embedding-3-small@8 ${provider.url}/v1/embeddings`;
  expect(rows).toEqual([{ rows: 200, models: 1, model }]);
  expect((await client.query("select from autoembed.embedding_cache")).rowCount).toBe(0);
});

test("A row with the text of another takes that row's vector, and the provider is not asked", async () => {
  const { client, listen, provider } = await prepare();
  const listener = await listen();
  await client.query("insert into patient_embeddings select n, 'note ' || n from generate_series(1, 200) n");
  await listener.whenDrained();
  const paid = provider.counts.inputs;
  await client.query(
    "insert into patient_embeddings select n + 200, 'note ' || n from generate_series(1, 200) n",
  );
  await listener.whenDrained();
  expect(provider.counts.inputs).toBe(paid);
  expect(await wrongRows(client)).toEqual([]);
});

test("A text that a row had before is free when it comes back, and is cached once", async () => {
  const { client, listen, provider } = await prepare();
  const listener = await listen();
  await client.query("insert into patient_embeddings select n, 'note ' || n from generate_series(1, 200) n");
  await listener.whenDrained();
  await client.query("update patient_embeddings set context_text = 'changed ' || patient_id");
  await listener.whenDrained();
  const paid = provider.counts.inputs;
  const { rows } = await client.query(
    "select count(*)::int as vectors, count(distinct key)::int as keys from autoembed.embedding_cache",
  );
  expect(rows).toEqual([{ vectors: 200, keys: 200 }]);
  await client.query("update patient_embeddings set context_text = 'note ' || patient_id");
  await listener.whenDrained();
  expect(provider.counts.inputs).toBe(paid);
  expect(await wrongRows(client)).toEqual([]);
});

test("A vector that somebody overwrote is lent to no row, and is not cached", async () => {
  const { client, listen, provider } = await prepare();
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'shared'), (2, 'alone')");
  await listener.whenDrained();
  await client.query("update patient_embeddings set embedding = '[9,9,9,9,9,9,9,9]'");
  const paid = provider.counts.inputs;
  await client.query("insert into patient_embeddings values (3, 'shared')");
  await client.query("update patient_embeddings set context_text = 'other' where patient_id = 2");
  await listener.whenDrained();
  expect(provider.counts.inputs).toBe(paid + 2);
  expect(await wrongRows(client)).toEqual(["1"]);
  expect((await client.query("select from autoembed.embedding_cache")).rowCount).toBe(0);
  // The row that was paid for lends its own.
  await client.query("insert into patient_embeddings values (4, 'shared')");
  await listener.whenDrained();
  expect(provider.counts.inputs).toBe(paid + 2);
  expect(await wrongRows(client)).toEqual(["1"]);
});

test("A deleted row leaves nothing behind, unless another row has its text", async () => {
  const { client, listen, provider } = await prepare();
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'a'), (2, 'b'), (3, 'b'), (4, 'c')");
  await listener.whenDrained();
  await client.query("update patient_embeddings set context_text = context_text || ' changed'");
  await listener.whenDrained();
  const owners = async (): Promise<unknown[]> =>
    (
      await client.query<{ key: string }>(`select key from autoembed.embedding_ledger
        union all select key from autoembed.embedding_cache order by key`)
    ).rows.map(({ key }) => key);
  // The former text of two rows is cached once.
  expect(await owners()).toHaveLength(7);
  await client.query("delete from patient_embeddings where patient_id in (1, 2)");
  expect(new Set(await owners())).toEqual(new Set(["3", "4"]));
  const paid = provider.counts.inputs;
  await client.query("insert into patient_embeddings values (5, 'b changed'), (6, 'a changed')");
  await listener.whenDrained();
  expect(provider.requests.slice(-1)[0]?.texts).toEqual(["a changed"]);
  expect(provider.counts.inputs).toBe(paid + 1);
  await client.query("truncate patient_embeddings");
  expect(await owners()).toEqual([]);
});

test("A row whose key changes keeps its entry, and its text is not paid for again", async () => {
  const { client, listen, provider } = await prepare();
  const listener = await listen();
  await client.query("insert into patient_embeddings values (1, 'one'), (2, 'two')");
  await listener.whenDrained();
  const paid = provider.counts.inputs;
  await client.query("update patient_embeddings set patient_id = patient_id + 10");
  await listener.whenDrained();
  expect(provider.counts.inputs).toBe(paid);
  expect(await wrongRows(client)).toEqual([]);
  const { rows } = await client.query("select key from autoembed.embedding_ledger order by key");
  expect(rows).toEqual([{ key: "11" }, { key: "12" }]);
});

test("Another address of the same model is another model: its vectors are not shared", async () => {
  const { client, listen, provider } = await prepare();
  const first = await listen();
  await client.query("insert into patient_embeddings values (1, 'one')");
  await first.whenDrained();
  await first.stop();
  const second = await listen({ OPENAI_BASE_URL: `${provider.url.replace("127.0.0.1", "localhost")}/v1` });
  const paid = provider.counts.inputs;
  await client.query("insert into patient_embeddings values (2, 'one')");
  await second.whenDrained();
  expect(provider.counts.inputs).toBe(paid + 1);
});
