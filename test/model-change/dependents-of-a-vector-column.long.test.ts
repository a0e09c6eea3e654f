import { randomUUID } from "node:crypto";
import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { dropModel } from "../../src/model-change/drop-model.ts";
import { readModelChange } from "../../src/model-change/model-change-state.ts";
import { rollBack } from "../../src/model-change/switch.ts";
import { NAME, NEW_DIMENSIONS, notOfTheNewModel, prepareChange } from "../support/changing-model.ts";
import { DIMENSIONS } from "../support/listening.ts";

vi.setConfig({ testTimeout: 120_000 });

/** A role that only this test uses; dropped when the test ends. */
async function createRole(client: pg.Client): Promise<string> {
  const role = `role_${randomUUID().replaceAll("-", "")}`;
  await client.query(`create role ${role}`);
  onTestFinished(async () => {
    await client.query(`drop owned by ${role}; drop role ${role}`);
  });
  return role;
}

/** Dimensions of what a view shows, and who may read it. */
async function seenThrough(client: pg.Client, view: string): Promise<unknown> {
  const { rows } = await client.query<{ dimensions: number; comment: string | null; grants: string }>(
    `select (select max(vector_dims(embedding)) from ${view}) as dimensions, obj_description('${view}'::regclass) as comment,
      (select coalesce(string_agg(privilege_type, ',' order by privilege_type), '') from information_schema.role_table_grants
        where table_name = '${view}' and grantee like 'role\\_%') as grants`,
  );
  return rows[0];
}

test("Views over the watched table, direct and indirect, follow a change of the model and its rollback, and do not block its end", async () => {
  const { client, db, change } = await prepareChange(5);
  const reader = await createRole(client);
  const denied = await createRole(client);
  await client.query(`
    create view seen with (security_barrier) as select * from patient_embeddings;
    create view beyond as select patient_id, embedding from seen where embedding is not null;
    grant select on beyond to ${reader};
    grant select (patient_id) on seen to ${reader};
    comment on view beyond is 'for reports';
    alter default privileges grant select on tables to ${denied}`);
  onTestFinished(async () => {
    await client.query(
      `drop view if exists beyond, seen; alter default privileges revoke select on tables from ${denied}`,
    );
  });
  const expected = (dimensions: number) => ({ dimensions, comment: "for reports", grants: "SELECT" });
  expect(await seenThrough(client, "beyond")).toEqual(expected(DIMENSIONS));

  await change();
  expect(await seenThrough(client, "beyond")).toEqual(expected(NEW_DIMENSIONS));
  const { rows } = await client.query(
    `select has_column_privilege('${reader}', 'seen', 'patient_id', 'select') as granted, has_table_privilege('${denied}', 'seen', 'select') as denied,
      reloptions from pg_class where oid = 'seen'::regclass`,
  );
  expect(rows).toEqual([{ granted: true, denied: false, reloptions: ["security_barrier=true"] }]);
  const switched = await readModelChange(db, NAME);
  if (switched.state !== "switched") throw new Error(switched.state);
  await rollBack(db, switched.live, switched.previous);
  expect(await seenThrough(client, "beyond")).toEqual(expected(DIMENSIONS));
  await change({ model: null });
  const again = await readModelChange(db, NAME);
  if (again.state !== "switched") throw new Error(again.state);
  await rollBack(db, again.live, again.previous);
  const back = await readModelChange(db, NAME);
  if (back.state !== "building") throw new Error(back.state);
  await dropModel(db, back.next);
  expect(await seenThrough(client, "beyond")).toEqual(expected(DIMENSIONS));
});

test.each([
  [
    "materialized view public.kept",
    "create materialized view kept as select embedding from patient_embeddings",
    "drop materialized view kept",
  ],
  [
    "trigger told on table public.patient_embeddings",
    `create function tell() returns trigger language plpgsql as 'begin return null; end';
    create trigger told after update of embedding on patient_embeddings for each row execute function tell()`,
    "drop function tell cascade",
  ],
  [
    "function public.typed()",
    `create view seen as select embedding from patient_embeddings;
    create function typed() returns setof seen language sql as 'select * from seen'`,
    "drop view seen cascade",
  ],
])("A change of the model is refused for a %s, before anything is paid for", async (what, create, drop) => {
  const { client, db, change, theirs } = await prepareChange(5);
  await client.query(create);
  onTestFinished(async () => {
    await client.query(drop);
  });
  await expect(change()).rejects.toThrow(`${what} depends on public.patient_embeddings.embedding`);
  expect(theirs.counts.inputs).toBe(0);
  expect((await readModelChange(db, NAME)).state).toBe("none");
});

test("Rights on the vector column go to the new column, while it is filled and after the switch", async () => {
  const { client, begin, change } = await prepareChange(5);
  const writer = await createRole(client);
  await client.query(`grant update (embedding), select (embedding) on patient_embeddings to ${writer}`);
  const may = async (column: string) =>
    (
      await client.query<{ may: string }>(
        `select concat_ws(' ', case when has_column_privilege($1, 'patient_embeddings', $2, 'update') then 'update' end,
          case when has_column_privilege($1, 'patient_embeddings', $2, 'select') then 'select' end) as may`,
        [writer, column],
      )
    ).rows[0]?.may;
  await begin();
  expect(await may("embedding_next")).toBe("update select");
  await client.query(`revoke select (embedding) on patient_embeddings from ${writer}`);
  await change({ model: null });
  expect(await notOfTheNewModel(client)).toEqual([]);
  expect([await may("embedding"), await may("embedding_previous")]).toEqual(["update", "update"]);
});

test("An object that depends on the old column alone is reported when that column is to be dropped", async () => {
  const { client, db, change } = await prepareChange(2);
  await change();
  const now = await readModelChange(db, NAME);
  if (now.state !== "switched") throw new Error(now.state);
  await client.query("create view older as select embedding_previous from patient_embeddings");
  try {
    await expect(dropModel(db, now.previous)).rejects.toThrow(/another object depends on it/);
    expect((await readModelChange(db, NAME)).state).toBe("switched");
  } finally {
    await client.query("drop view older");
  }
});
