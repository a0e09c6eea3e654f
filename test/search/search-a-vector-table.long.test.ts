import { expect, test, vi } from "vitest";
import { buildIndex } from "../../src/search/build-index.ts";
import { DIMENSIONS } from "../support/listening.ts";
import { oracleVector } from "../support/provider-server.ts";
import { prepareVectorTable } from "../support/vector-table.ts";
import { find } from "../support/searching.ts";

vi.setConfig({ testTimeout: 180_000 });

test("Searches find vectors in their own table, by its index, with conditions on the watched table", async () => {
  const { client, db, listen, source, config } = await prepareVectorTable();
  const listener = await listen();
  await client.query(
    "insert into app.documents select n, case when n % 2 = 0 then 'even' else 'odd' end, 'text ' || n from generate_series(1, 300) n",
  );
  await listener.whenDrained();
  const index = await buildIndex(db, await source(), {
    database: config,
    now: false,
    onProgress: () => undefined,
    signal: new AbortController().signal,
  });
  expect(index).toMatchObject({ name: "app.documents_embeddings_embedding_idx", built: true });
  const query = oracleVector("text 40", DIMENSIONS);
  const options = { limit: 3, withText: true };
  expect((await find(db, "docs", "text 40", options))[0]).toMatchObject({
    key: "40",
    text: "text 40",
  });
  const odd = await find(db, "docs", "text 40", { ...options, where: "title = 'odd'" });
  expect(odd).toHaveLength(3);
  expect(odd.every(({ key }) => Number(key) % 2 === 1)).toBe(true);
  const words = await find(db, "docs", "40", { ...options, hybrid: true, language: "simple" });
  expect(words[0]).toMatchObject({ key: "40" });
  const inSql = await client.query<{ key: string }>("select key from autoembed.search('docs', $1, 2)", [
    `[${query.join(",")}]`,
  ]);
  expect(inSql.rows[0]).toEqual({ key: "40" });

  // So few rows are searched faster without the index. With sorts and sequential scans disabled, the plan has to use it.
  await client.query("analyze app.documents, app.documents_embeddings");
  await client.query("begin; set local enable_sort = off; set local enable_seqscan = off");
  const plan = await client.query<{ "QUERY PLAN": string }>(
    `explain select t.* from (select w.k0, w.content, v.vector from (select id as k0, body as content from app.documents) w
      left join (select id as k0, embedding as vector from app.documents_embeddings) v on v.k0 = w.k0) t
    where t.vector is not null order by t.vector <=> '[${query.join(",")}]' limit 3`,
  );
  await client.query("rollback");
  expect(plan.rows.map((row) => row["QUERY PLAN"]).join("\n")).toContain(
    "documents_embeddings_embedding_idx",
  );
});
