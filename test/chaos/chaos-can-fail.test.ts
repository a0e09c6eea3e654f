import { expect, test } from "vitest";
import { isClean, type Report } from "../../chaos/report.ts";
import { Tally } from "../../chaos/tally.ts";
import { verify } from "../../chaos/verify.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";
import { oracleVector } from "../support/oracle-vector.ts";

const vectorOf = (text: string): string => JSON.stringify([...oracleVector(text, DIMENSIONS)]);

test("The oracle of the chaos run tells apart a lost row, a stale vector, a blank text's vector and a pending row", async () => {
  const { client } = await prepare();
  const verdict = () => verify(client, "patient_embeddings", DIMENSIONS);
  await client.query("insert into patient_embeddings values (1, 'one', $1), (2, 'two', $2)", [
    vectorOf("one"),
    vectorOf("two"),
  ]);
  expect(await verdict()).toEqual({ rows: 2, pending: 0, lost: 0, wrong: 0, unrecorded: 2, left: 0 });

  await client.query("update patient_embeddings set context_text = 'changed' where patient_id = 2");
  expect(await verdict()).toEqual({ rows: 2, pending: 1, lost: 0, wrong: 0, unrecorded: 1, left: 0 });
  // As if it had never been queued.
  await client.query("truncate autoembed.embedding_queue");
  expect(await verdict()).toEqual({ rows: 2, pending: 0, lost: 0, wrong: 1, unrecorded: 1, left: 0 });
  await client.query("update patient_embeddings set context_text = '  ' where patient_id = 2");
  await client.query("truncate autoembed.embedding_queue");
  expect(await verdict()).toEqual({ rows: 2, pending: 0, lost: 0, wrong: 1, unrecorded: 1, left: 0 });
  await client.query("insert into patient_embeddings values (3, 'three')");
  await client.query("truncate autoembed.embedding_queue");
  await client.query(
    "insert into autoembed.embedding_ledger (source_id, text_hash, key) values (1, '', '9')",
  );
  expect(await verdict()).toEqual({ rows: 3, pending: 0, lost: 1, wrong: 1, unrecorded: 1, left: 1 });
});

function report(overrides: Partial<Report>): Report {
  const some = new Tally();
  some.add("something");
  const none = new Tally();
  return {
    options: {
      server: "",
      restartCommand: undefined,
      failoverCommand: undefined,
      pooler: false,
      alterEveryMs: undefined,
      isolation: undefined,
      into: false,
      seconds: 1,
      seed: 1,
      listeners: 1,
      writers: 1,
      killEveryMs: 1,
      restartEveryMs: 1,
    },
    seconds: 1,
    users: { operations: some, cut: none, retried: none, failed: none, waits: [] },
    faults: some,
    looks: { snapshots: 1, lost: 0, wrong: 0, mostConnections: 1 },
    failedRows: 0,
    quietMs: 1,
    verdict: { rows: 1, pending: 0, lost: 0, wrong: 0, unrecorded: 0, left: 0 },
    goodbyes: ["0"],
    left: { queued: 0, owned: 0, listed: 0 },
    exits: none,
    crashes: [],
    mostMegabytes: 1,
    requests: 1,
    texts: 1,
    ...overrides,
  };
}

test("A chaos run is clean only when something happened in it and all of it is right", () => {
  const clean = report({});
  const none = new Tally();
  const unclean: Partial<Report>[] = [
    { verdict: { ...clean.verdict, lost: 1 } },
    { verdict: { ...clean.verdict, wrong: 1 } },
    { verdict: { ...clean.verdict, pending: 1 } },
    { looks: { ...clean.looks, lost: 1 } },
    { looks: { ...clean.looks, wrong: 1 } },
    { users: { ...clean.users, failed: clean.faults } },
    { crashes: ["a stack"] },
    { goodbyes: ["0", "1"] },
    { left: { ...clean.left, owned: 1 } },
    // Queue rows of deleted rows: no row is pending, and the queue never empties.
    { left: { ...clean.left, queued: 1 } },
    { users: { ...clean.users, operations: none } },
    { verdict: { ...clean.verdict, rows: 0 } },
    { looks: { ...clean.looks, snapshots: 0 } },
    { faults: none },
    { texts: 0 },
  ];
  expect(isClean(clean)).toBe(true);
  expect(unclean.filter((overrides) => isClean(report(overrides)))).toEqual([]);
});
